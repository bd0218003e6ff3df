// Charts, sortable tables, switches. Without it the page is readable; its charts are also images in the run's folder.
(() => {
  "use strict";

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const screenColours = () => ({ ink: colour("--ink"), soft: colour("--soft"), rule: colour("--rule") });
  const paperColours = { ink: "#1f2937", soft: "#5b6472", rule: "#e2e6ec" };

  // Bokeh draws on canvases, to which the colours of the style sheet do not apply.
  function paint({ ink, soft, rule }) {
    for (const drawn of Bokeh.documents) {
      for (const root of drawn.roots()) {
        for (const model of root.references()) {
          if (model.type.endsWith("Axis")) {
            model.setv({ axis_label_text_color: soft, major_label_text_color: soft });
          } else if (model.type === "Grid" && model.grid_line_color !== null) {
            model.setv({ grid_line_color: rule, grid_line_alpha: 1 });
          } else if (model.type === "Legend") {
            model.label_text_color = ink;
          } else if (model.type === "GlyphRenderer" && model.glyph.type === "Text") {
            model.glyph.text_color = { value: ink };
          }
        }
      }
    }
  }

  const nextPaint = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));

  // Browsers do not lay a canvas out again for print: images of the charts, in paper colours, are printed instead.
  async function addPrintImages(views) {
    paint(paperColours);
    await nextPaint();
    for (const [container, view] of views) {
      const image = new Image();
      image.alt = "";
      image.className = "printed";
      image.src = view.export("png").canvas.toDataURL();
      container.after(image);
      container.classList.add("kept");
    }
  }

  async function draw() {
    const containers = [...document.querySelectorAll("[data-chart]")];
    if (!containers.length) return;
    const packed = document.getElementById("bokeh").textContent;
    const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
    const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(unpacked).text();
    document.head.append(script);
    const views = [];
    for (const container of containers) {
      const drawn = await Bokeh.embed.embed_item(JSON.parse(container.querySelector("script").textContent), container);
      views.push([container, [...drawn][0]]);
    }
    await addPrintImages(views);
    paint(screenColours());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paint(screenColours()));
    document.documentElement.dataset.drawn = "true";
  }

  const value = (row, column) => row.cells[column].textContent.trim();
  const numeric = (text) => (text === "" || text === "–" ? -Infinity : Number(text.replaceAll(",", "").replace("%", "")));

  function sort(header) {
    const table = header.closest("table"), body = table.tBodies[0], column = header.cellIndex;
    const descending = header.getAttribute("aria-sort") !== "descending" && header.classList.contains("number")
      || header.getAttribute("aria-sort") === "ascending";
    const compare = header.classList.contains("number")
      ? (a, b) => numeric(value(a, column)) - numeric(value(b, column))
      : (a, b) => value(a, column).localeCompare(value(b, column), undefined, { numeric: true });
    const rows = [...body.rows].sort((a, b) => (descending ? -compare(a, b) : compare(a, b)));
    for (const cell of header.parentElement.cells) if (cell.ariaSort) cell.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    body.append(...rows);
  }

  for (const header of document.querySelectorAll("table.sortable thead th")) {
    header.setAttribute("aria-sort", "none");
    header.tabIndex = 0;
    header.addEventListener("click", () => sort(header));
    header.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(header); }
    });
  }

  for (const buttons of document.querySelectorAll(".switch")) {
    const figures = [...buttons.parentElement.querySelectorAll("figure")];
    const options = [...buttons.querySelectorAll("button")];
    const choose = (chosen) => {
      options.forEach((button, index) => button.setAttribute("aria-pressed", String(index === chosen)));
      figures.forEach((figure, index) => { figure.hidden = index !== chosen; });
    };
    options.forEach((button, index) => button.addEventListener("click", () => choose(index)));
    buttons.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (options.indexOf(document.activeElement) + step + options.length) % options.length;
      options[next].focus();
      choose(next);
    });
    choose(0);
  }

  // A click shows a figure alone, at full size.
  const dialog = document.createElement("dialog");
  dialog.addEventListener("click", () => dialog.close());
  document.body.append(dialog);
  for (const image of document.querySelectorAll("figure img")) {
    const enlarge = () => {
      const large = image.cloneNode();
      large.className = "";
      large.removeAttribute("tabindex");
      dialog.replaceChildren(large);
      dialog.showModal();
    };
    image.addEventListener("click", enlarge);
    image.addEventListener("keydown", (event) => { if (event.key === "Enter") enlarge(); });
  }

  draw().catch((error) => console.error(error));
})();
