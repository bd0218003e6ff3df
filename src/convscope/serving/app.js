"use strict";

const $ = (id) => document.getElementById(id);
const readable = (name) => name.replaceAll("_", " ");
const request = { image: null, text: null, method: null, target: null, isNewInput: true, number: 0 };

let inputKind = "image";

function fail(reason) {
  $("error").textContent = reason;
  $("error").hidden = false;
}

async function sendRequest() {
  const number = ++request.number; // only the answer to the latest request is shown
  const form = new FormData();
  if (request.image) form.append("image", request.image, "image");
  else form.append("text", request.text);
  if (request.method) form.append("method", request.method);
  if (request.target) form.append("target", request.target);
  document.body.classList.add("busy");
  try {
    const response = await fetch("/answer", { method: "POST", body: form });
    const answer = await response.json();
    if (number !== request.number) return;
    if (response.ok) {
      $("error").hidden = true;
      request.isNewInput = false;
      showAnswer(answer);
    } else {
      if (request.isNewInput) $("answer").hidden = true; // the shown answer belongs to another input
      fail(answer.error);
    }
  } catch (error) {
    if (number === request.number) fail(`No answer: ${error.message}`);
  } finally {
    if (number === request.number) document.body.classList.remove("busy");
  }
}

function showAnswer(answer) {
  const binary = answer.prediction === "hot_dog" || answer.prediction === "not_hot_dog";
  $("verdict").textContent = binary
    ? (answer.prediction === "hot_dog" ? "Hot dog!" : "Not hot dog.") : readable(answer.prediction);
  $("verdict").className = binary ? (answer.prediction === "hot_dog" ? "yes" : "no") : "";
  $("verdict").dataset.class = answer.prediction;
  $("stage").hidden = $("slider").hidden = !answer.image;
  if (answer.image) $("image").src = answer.image;
  $("words").hidden = !answer.tokens;
  if (answer.tokens) showTokens(answer);
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
    for (const content of [readable(row.class), bar, `${(100 * row.probability).toFixed(1)} %`]) {
      line.insertCell().append(content);
    }
    const choose = () => { request.target = row.class; sendRequest(); };
    line.addEventListener("click", choose);
    line.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(); });
    return line;
  }));
  $("answer").hidden = false;
}

// Blue is evidence for the class, orange against it; for a method without a sign, blue is the importance of a word.
function showTokens(answer) {
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

function useFile(file) {
  if (!file || inputKind !== "image") return;
  request.image = file;
  request.target = null;
  request.isNewInput = true;
  sendRequest();
}

function showMethods(methods) {
  const buttons = Object.entries(methods).map(([method, title]) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: title });
    button.dataset.method = method;
    button.addEventListener("click", () => {
      choose(button);
      if (request.image || request.text) sendRequest();
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
  $("title").textContent = document.title = readable(about.title);
  const share = about.accuracy === null ? "" : `; right on ${(100 * about.accuracy).toFixed(1)} % of its test ${about.takes}s`
    + (about.generated ? ", which were generated; it may be less accurate on real ones" : "");
  const classes = about.classes.slice(0, 12).map(readable).join(", ") + (about.classes.length > 12 ? ", …" : "");
  $("about").textContent = `${about.classes.length} classes: ${classes}${share}`;
  showMethods(about.methods);
  inputKind = about.takes;
  if (inputKind === "text") $("parts").textContent = "words";
  $("drop").hidden = inputKind !== "image";
  $("write").hidden = inputKind !== "text";
  document.body.dataset.ready = "true";
}

$("file").addEventListener("change", () => { useFile($("file").files[0]); $("file").value = ""; });
$("drop").addEventListener("keydown", (event) => { if (event.key === "Enter") $("file").click(); });
$("strength").addEventListener("input", () => { $("map").style.opacity = $("strength").value / 100; });
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") useFile(event.dataTransfer.files[0]);
  });
}
$("write").addEventListener("submit", (event) => {
  event.preventDefault();
  request.text = $("text").value;
  request.target = null;
  request.isNewInput = true;
  sendRequest();
});
document.addEventListener("paste", (event) => useFile(event.clipboardData.files[0]));
start().catch((error) => fail(`No answer: ${error.message}`));
