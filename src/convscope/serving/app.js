"use strict";

const $ = (id) => document.getElementById(id);
const named = (name) => name.replaceAll("_", " ");
const request = { image: null, text: null, method: null, target: null, fresh: true, turn: 0 };

let takes = "image";

function fail(reason) {
  $("error").textContent = reason;
  $("error").hidden = false;
}

async function ask() {
  const turn = ++request.turn; // only the answer to the latest question is shown
  const form = new FormData();
  if (request.image) form.append("image", request.image, "image");
  else form.append("text", request.text);
  if (request.method) form.append("method", request.method);
  if (request.target) form.append("target", request.target);
  document.body.classList.add("busy");
  try {
    const response = await fetch("/answer", { method: "POST", body: form });
    const answer = await response.json();
    if (turn !== request.turn) return;
    if (response.ok) {
      $("error").hidden = true;
      request.fresh = false;
      show(answer);
    } else {
      if (request.fresh) $("answer").hidden = true; // what is shown answers for something else
      fail(answer.error);
    }
  } catch (error) {
    if (turn === request.turn) fail(`No answer: ${error.message}`);
  } finally {
    if (turn === request.turn) document.body.classList.remove("busy");
  }
}

function show(answer) {
  const binary = answer.prediction === "hot_dog" || answer.prediction === "not_hot_dog";
  $("verdict").textContent = binary
    ? (answer.prediction === "hot_dog" ? "Hot dog!" : "Not hot dog.") : named(answer.prediction);
  $("verdict").className = binary ? (answer.prediction === "hot_dog" ? "yes" : "no") : "";
  $("verdict").dataset.class = answer.prediction;
  $("stage").hidden = $("slider").hidden = !answer.image;
  if (answer.image) $("image").src = answer.image;
  $("words").hidden = !answer.tokens;
  if (answer.tokens) colour(answer);
  $("map").hidden = !answer.map;
  if (answer.map) {
    $("map").src = answer.map;
    $("map").dataset.method = answer.method;
    $("map").dataset.target = answer.target;
  }
  $("note").textContent = answer.note ?? "";
  $("probabilities").tBodies[0].replaceChildren(...answer.probabilities.map((row) => {
    const line = document.createElement("tr");
    line.setAttribute("aria-selected", String(row.class === answer.target));
    line.tabIndex = 0;
    const bar = Object.assign(document.createElement("meter"), { max: 1, value: row.probability });
    for (const content of [named(row.class), bar, `${(100 * row.probability).toFixed(1)} %`]) {
      line.insertCell().append(content);
    }
    const choose = () => { request.target = row.class; ask(); };
    line.addEventListener("click", choose);
    line.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(); });
    return line;
  }));
  $("answer").hidden = false;
}

// Blue speaks for the class, orange against it; where a method has no sign, blue is how much a word counts.
function colour(answer) {
  $("words").dataset.method = answer.method;
  $("words").dataset.target = answer.target;
  $("words").replaceChildren(...answer.tokens.flatMap((token) => {
    const word = document.createElement("span");
    word.textContent = token.text;
    word.title = token.share.toFixed(3);
    const [red, green, blue] = token.share >= 0 ? [0, 114, 178] : [213, 94, 0];
    word.style.background = `rgba(${red}, ${green}, ${blue}, ${0.6 * Math.abs(token.share)})`;
    return token.gap ? [" ", word] : [word];
  }));
}

function take(file) {
  if (!file || takes !== "image") return;
  request.image = file;
  request.target = null;
  request.fresh = true;
  ask();
}

function offer(methods) {
  const buttons = Object.entries(methods).map(([method, title]) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: title });
    button.dataset.method = method;
    button.addEventListener("click", () => {
      choose(button);
      if (request.image || request.text) ask();
    });
    return button;
  });
  const choose = (chosen) => {
    request.method = chosen.dataset.method;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button === chosen));
  };
  $("methods").replaceChildren(...buttons);
  if (buttons.length) choose(buttons[0]);
}

async function start() {
  const about = await (await fetch("/about")).json();
  $("title").textContent = document.title = named(about.title);
  const share = about.accuracy === null ? "" : `; right on ${(100 * about.accuracy).toFixed(1)} % of its test ${about.takes}s`
    + (about.generated ? ", which were generated; real ones may be another matter" : "");
  const classes = about.classes.slice(0, 12).map(named).join(", ") + (about.classes.length > 12 ? ", …" : "");
  $("about").textContent = `${about.classes.length} classes: ${classes}${share}`;
  offer(about.methods);
  takes = about.takes;
  if (takes === "text") $("parts").textContent = "words";
  $("drop").hidden = takes !== "image";
  $("write").hidden = takes !== "text";
  document.body.dataset.ready = "true";
}

$("file").addEventListener("change", () => { take($("file").files[0]); $("file").value = ""; });
$("drop").addEventListener("keydown", (event) => { if (event.key === "Enter") $("file").click(); });
$("strength").addEventListener("input", () => { $("map").style.opacity = $("strength").value / 100; });
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files[0]);
  });
}
$("write").addEventListener("submit", (event) => {
  event.preventDefault();
  request.text = $("text").value;
  request.target = null;
  request.fresh = true;
  ask();
});
document.addEventListener("paste", (event) => take(event.clipboardData.files[0]));
start().catch((error) => fail(`No answer: ${error.message}`));
