// Charts, sorting, switching. The page reads without it; the charts then are in the run's folder as images.
(() => {
  "use strict";

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const ofThePage = () => ({ ink: colour("--ink"), soft: colour("--soft"), rule: colour("--rule") });
  const ofPaper = { ink: "#1f2937", soft: "#5b6472", rule: "#e2e6ec" };

  // Bokeh draws on canvases, which do not know the page's colours.
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

  const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));

  // A canvas is not laid out anew for a sheet of paper: what is printed are images, in paper's colours.
  async function keepForPrint(views) {
    paint(ofPaper);
    await painted();
    for (const [place, view] of views) {
      const image = new Image();
      image.alt = "";
      image.className = "printed";
      image.src = view.export("png").canvas.toDataURL();
      place.after(image);
      place.classList.add("kept");
    }
  }

  async function draw() {
    const places = [...document.querySelectorAll("[data-chart]")];
    if (!places.length) return;
    const packed = document.getElementById("bokeh").textContent;
    const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
    const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(unpacked).text();
    document.head.append(script);
    const views = [];
    for (const place of places) {
      const drawn = await Bokeh.embed.embed_item(JSON.parse(place.querySelector("script").textContent), place);
      views.push([place, [...drawn][0]]);
    }
    await keepForPrint(views);
    paint(ofThePage());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paint(ofThePage()));
    document.documentElement.dataset.drawn = "true";
  }

  const value = (row, at) => row.cells[at].textContent.trim();
  const numeric = (text) => (text === "" || text === "–" ? -Infinity : Number(text.replaceAll(",", "").replace("%", "")));

  function sort(header) {
    const table = header.closest("table"), body = table.tBodies[0], at = header.cellIndex;
    const down = header.getAttribute("aria-sort") !== "descending" && header.classList.contains("number")
      || header.getAttribute("aria-sort") === "ascending";
    const compare = header.classList.contains("number")
      ? (a, b) => numeric(value(a, at)) - numeric(value(b, at))
      : (a, b) => value(a, at).localeCompare(value(b, at), undefined, { numeric: true });
    const rows = [...body.rows].sort((a, b) => (down ? -compare(a, b) : compare(a, b)));
    for (const other of header.parentElement.cells) if (other.ariaSort) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
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
    const shown = [...buttons.parentElement.querySelectorAll("figure")];
    const all = [...buttons.querySelectorAll("button")];
    const choose = (chosen) => {
      all.forEach((button, at) => button.setAttribute("aria-pressed", String(at === chosen)));
      shown.forEach((figure, at) => { figure.hidden = at !== chosen; });
    };
    all.forEach((button, at) => button.addEventListener("click", () => choose(at)));
    buttons.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (all.indexOf(document.activeElement) + step + all.length) % all.length;
      all[next].focus();
      choose(next);
    });
    choose(0);
  }

  // A figure by itself, as large as it is.
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
