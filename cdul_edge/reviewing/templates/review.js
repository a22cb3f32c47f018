(() => {
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const find = id => document.getElementById(id);
const { pictures, questions, classes, sheet } = data;
const useful = questions.slice(0, data.useful).map((_, number) => number);
const drawn = [...new Set(sheet.questions.filter(number => number !== null))];

// Answers are "yes", "no", "?" or "" for none, one for each question.
const answers = questions.map(one => one.answer ?? "");
const undoable = []; // [number, the answer before], the last one last
let asked = useful; // numbers of the questions of this part, in order
let at = 0; // of them, the one that is shown

// ---- What the browser keeps

const KEY = `cdul-edge review ${data.key}`;
const LETTERS = { "": "-", yes: "y", no: "n", "?": "?" };
const ANSWERS = Object.fromEntries(Object.entries(LETTERS).map(([answer, letter]) => [letter, answer]));
let keeps = true;
let known = ""; // what this page last saw of what is kept, a letter a question

// Takes what was answered since then, in another tab of this page or before it was opened.
function recall() {
  try {
    const kept = localStorage.getItem(KEY) ?? "";
    if (kept.length !== answers.length || kept === known) return;
    const before = known || LETTERS[""].repeat(answers.length);
    [...kept].forEach((letter, number) => {
      if (letter !== before[number]) answers[number] = ANSWERS[letter] ?? "";
    });
    known = kept;
  } catch { keeps = false; }
}

// What can be undone is of this tab, and outlives a reload.
function recallUndo() {
  try {
    undoable.push(...JSON.parse(sessionStorage.getItem(KEY) ?? "[]"));
  } catch { keeps = false; }
}

function keep() {
  try {
    const kept = answers.map(one => LETTERS[one]).join("");
    localStorage.setItem(KEY, kept);
    known = kept;
    sessionStorage.setItem(KEY, JSON.stringify(undoable));
    keeps = true;
  } catch { keeps = false; }
  find("kept").textContent = keeps
    ? "Answers are kept in this browser: you may close the page and go on later."
    : "This browser does not keep answers for such a page: save them before you close it.";
}

// ---- Asking

const nameOf = number => classes[questions[number].name];
const pathOf = number => pictures[questions[number].picture].path;
const say = text => { find("status").textContent = text; };
const remaining = () => asked.filter(number => !answers[number]).length;
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function tell(number) {
  const { score, threshold, predicted } = questions[number];
  const limit = threshold === null ? "never" : threshold;
  return `the label says ${predicted ? "yes" : "no"} (score ${score}, threshold ${limit})`;
}

function show() {
  const number = asked[at], picture = pictures[questions[number].picture];
  Object.assign(find("picture"), {
    src: picture.address, width: picture.width, height: picture.height, alt: `Picture ${picture.path}`,
  });
  find("path").textContent = picture.path;
  find("position").textContent = `Question ${at + 1} of ${asked.length}`;
  find("question").textContent = `Does this picture show: ${nameOf(number)}?`;
  for (const button of document.querySelectorAll("[data-answer]"))
    button.setAttribute("aria-pressed", String(button.dataset.answer === answers[number]));
  // A score that is seen first would be believed.
  find("told").textContent = answers[number]
    ? `Your answer: ${answers[number]}; ${tell(number)}.`
    : "The score is shown once you have answered.";
  find("progress").max = asked.length;
  find("progress").value = asked.length - remaining();
  find("remaining").textContent = `${asked.length - remaining()} answered, ${remaining()} remain`;
}

function give(answer) {
  recall();
  const number = asked[at];
  undoable.push([number, answers[number]]);
  answers[number] = answer;
  keep();
  const left = remaining();
  say(`${nameOf(number)}: ${answer === "?" ? "cannot tell" : answer}; ${tell(number)}. `
    + (left ? `${plural(left, "question")} left.` : "All questions of this part are answered: save the answers."));
  const after = [...asked.keys()].map(step => (at + 1 + step) % asked.length);
  at = after.find(place => !answers[asked[place]]) ?? at;
  show();
}

function undo() {
  recall();
  const last = undoable.pop();
  if (!last) return say("There is nothing to undo.");
  const [number, before] = last;
  answers[number] = before;
  keep();
  if (!asked.includes(number)) choosePart(useful.includes(number) ? "useful" : "sheet");
  at = asked.indexOf(number);
  show();
  say(`Undone: ${nameOf(number)} in ${pathOf(number)} is ${before ? `${before} again` : "open again"}.`);
}

function move(step) {
  if (asked[at + step] === undefined)
    return say(step < 0 ? "This is the first question." : "This is the last question.");
  at += step;
  show();
  say("");
}

function choosePart(part) {
  if (find("part")) find("part").value = part;
  arrange();
  at = Math.max(asked.findIndex(number => !answers[number]), 0);
  show();
}

function arrange() {
  const shown = asked[at];
  const inSheet = find("part")?.value === "sheet";
  const part = inSheet ? drawn : useful;
  const order = find("order").value;
  find("order").options[0].textContent = inSheet ? "as drawn" : "most useful first";
  const group = number => order === "picture" ? questions[number].picture : questions[number].name;
  const groups = new Map();
  for (const number of part) {
    const key = order === "use" ? 0 : group(number);
    groups.set(key, [...(groups.get(key) ?? []), number]);
  }
  asked = [...groups.values()].flat();
  at = Math.max(asked.indexOf(shown), 0);
  show();
}

// ---- Files

const quote = cell => /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
const toCsv = rows => rows.map(cells => cells.map(quote).join(",") + "\r\n").join("");

function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function saveObserved() {
  const known = answers.map((answer, number) => [number, answer]).filter(([number, answer]) =>
    (answer === "yes" || answer === "no") && pictures[questions[number].picture].sayable);
  if (!known.length) return say("No question is answered yes or no yet: there is nothing to save.");
  save("observed.csv", toCsv(data.form === "names" ? asNames(known) : asColumns(known)));
  say(`Saved ${plural(known.length, "answer")} as observed.csv.`);
}

function asNames(known) {
  const rows = known.map(([number, answer]) =>
    [pathOf(number), (answer === "no" ? "-" : "") + nameOf(number)]);
  return [["image_path", "label"], ...rows];
}

function asColumns(known) {
  const rows = new Map();
  for (const [number, answer] of known) {
    const cells = rows.get(pathOf(number)) ?? data.columns.map(() => "");
    cells[data.columns.indexOf(questions[number].name)] = answer === "yes" ? "1" : "0";
    rows.set(pathOf(number), cells);
  }
  const header = ["image_path", ...data.columns.map(column => classes[column])];
  return [header, ...[...rows].map(([path, cells]) => [path, ...cells])];
}

function saveSheet() {
  const rows = sheet.rows.map(([path, name, question, given, note], row) => {
    const number = sheet.questions[row];
    return [path, name, question, number === null ? given : answers[number], note];
  });
  save("sheet.csv", "\ufeff" + toCsv([sheet.columns, ...rows]));
  say(`Saved the sheet: ${drawn.filter(number => answers[number]).length} of ${rows.length} questions are answered.`);
}

// ---- Loading an earlier file

function parseCsv(text) {
  const first = text.split("\n", 1)[0];
  const count = sign => first.split(sign).length;
  const comma = [",", ";", "\t"].reduce((best, sign) => count(sign) > count(best) ? sign : best);
  const rows = [];
  let row = [], cell = "", quoted = false, wasQuoted = false;
  const endCell = () => { row.push(cell); cell = ""; wasQuoted = false; };
  const endRow = () => { endCell(); if (row.some(Boolean)) rows.push(row); row = []; };
  for (let place = 0; place < text.length; place += 1) {
    const sign = text[place];
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (text[place + 1] === '"') { cell += sign; place += 1; }
      else quoted = false;
    } else if (sign === '"' && !cell && !wasQuoted) { quoted = true; wasQuoted = true; }
    else if (sign === comma) endCell();
    else if (sign === "\n") endRow();
    else if (sign === "\r") { if (text[place + 1] !== "\n") endRow(); }
    else cell += sign;
  }
  if (quoted) throw new Error("holds a quote without its partner");
  if (cell || row.length) endRow();
  return rows;
}

const fold = name => name.normalize("NFC").toLowerCase().replace(/[\s_-]/g, "");

function classNumber(name) {
  const exact = classes.indexOf(name);
  const number = exact >= 0 ? exact : classes.findIndex(one => fold(one) === fold(name));
  if (number < 0) throw new Error(`names the class “${name}”, which these labels do not have: it is of another set`);
  return number;
}

const valueOf = (table, key) => Object.hasOwn(table, key) ? table[key] : undefined;

// Each is [path, number of a class, "yes" or "no"].
function readObserved(header, rows) {
  const key = header.indexOf("image_path");
  const others = [...header.keys()].filter(column => column !== key);
  if (others.length === 1 && header[others[0]] === "label")
    return rows.flatMap(row => row[others[0]].split(/[,;|]/).map(one => one.trim()).filter(Boolean).map(one => {
      const absent = one.startsWith("-") && !classes.includes(one);
      return [row[key].trim(), classNumber(absent ? one.slice(1) : one), absent ? "no" : "yes"];
    }));
  const columns = others.map(column => [column, classNumber(header[column])]);
  const values = { 1: "yes", 0: "no", "1.0": "yes", "0.0": "no", "-1": "", "-1.0": "", "": "" };
  return rows.flatMap(row => columns.flatMap(([column, name]) => {
    const value = valueOf(values, row[column].trim());
    if (value === undefined) throw new Error(`holds “${row[column]}” where 1, 0 or nothing is expected`);
    return value ? [[row[key].trim(), name, value]] : [];
  }));
}

// Each is [number of a question, answer]; -1 where this page does not ask it.
function readFile(rows) {
  const header = (rows[0] ?? []).map(cell => cell.trim());
  if (rows.some(row => row.length !== header.length)) throw new Error("has rows of different lengths");
  const noteColumn = header.indexOf(sheet.columns[4]), answerColumn = header.indexOf("answer");
  if (noteColumn >= 0 && answerColumn >= 0) {
    const numbers = new Map(sheet.rows.map((cells, row) => [cells[4], sheet.questions[row]]));
    return rows.slice(1).filter(row => row[answerColumn].trim()).map(row => {
      const answer = valueOf(sheet.spellings, row[answerColumn].trim().replace(/^'/, "").toLowerCase());
      if (!answer) throw new Error(`is answered “${row[answerColumn]}” where yes, no or ? is expected`);
      return [numbers.get(row[noteColumn].trim()) ?? -1, answer];
    });
  }
  if (header.filter(one => one === "image_path").length !== 1 || header.length < 2)
    throw new Error("is no file of answers: expected the columns image_path and label, or a class each");
  const numbers = new Map(questions.map((one, number) => [`${one.name} ${pathOf(number)}`, number]));
  return readObserved(header, rows.slice(1)).map(([path, name, answer]) =>
    [numbers.get(`${name} ${path}`) ?? -1, answer]);
}

const some = numbers => numbers.slice(0, 3).map(number => `${nameOf(number)} in ${pathOf(number)}`).join("; ")
  + (numbers.length > 3 ? `; and ${numbers.length - 3} more` : "");

function merge(text) {
  recall();
  const found = readFile(parseCsv(text.replace(/^\ufeff/, "")));
  if (!found.length) throw new Error("holds no answer");
  const known = found.filter(([number]) => number >= 0);
  if (!known.length) throw new Error("answers none of this page's questions: it is of another page or set");
  const given = new Map();
  const twice = [...new Set(known.filter(([number, answer]) => {
    const before = given.get(number) ?? answer;
    given.set(number, answer);
    return before !== answer;
  }).map(([number]) => number))];
  if (twice.length) throw new Error(`contradicts itself on ${some(twice)}`);
  const fresh = [], against = [];
  for (const [number, answer] of given) {
    if (!answers[number] || answers[number] === "?") fresh.push([number, answer]);
    else if (answers[number] !== answer && answer !== "?") against.push(number);
  }
  for (const [number, answer] of fresh) {
    undoable.push([number, answers[number]]);
    answers[number] = answer;
  }
  keep();
  arrange();
  const elsewhere = found.length - known.length;
  return `${plural(given.size, "answer")} read, ${fresh.length} of them new.`
    + (against.length ? ` ${against.length} contradict answers given here, which were kept: ${some(against)}.` : "")
    + (elsewhere ? ` ${elsewhere} are about other entries than this page's: give that file to train, too.` : "");
}

async function load() {
  const [file] = find("load").files;
  if (!file) return;
  try {
    say(`${file.name}: ${merge(await file.text())}`);
  } catch (error) {
    say(`${file.name} ${error.message}. Nothing was taken from it.`);
  }
  find("load").value = ""; // the same file may be chosen again
}

// ---- Keys and buttons

const KEYS = {
  y: () => give("yes"), n: () => give("no"), "?": () => give("?"), u: undo,
  arrowleft: () => move(-1), arrowright: () => move(1),
};

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("select, input")) return;
  const act = valueOf(KEYS, event.key.toLowerCase());
  if (!act) return;
  event.preventDefault();
  if (event.repeat && !event.key.startsWith("Arrow")) return; // a key held down is one answer
  act();
});
for (const button of document.querySelectorAll("[data-answer]"))
  button.addEventListener("click", () => give(button.dataset.answer));
find("undo").addEventListener("click", undo);
find("back").addEventListener("click", () => move(-1));
find("next").addEventListener("click", () => move(1));
find("order").addEventListener("change", arrange);
find("part")?.addEventListener("change", () => choosePart(find("part").value));
find("save-observed").addEventListener("click", saveObserved);
find("save-sheet")?.addEventListener("click", saveSheet);
find("load").addEventListener("change", load);
addEventListener("beforeunload", event => { if (!keeps && undoable.length) event.preventDefault(); });

addEventListener("storage", event => { if (event.key === KEY) { recall(); show(); } });

recall();
recallUndo();
keep();
find("app").hidden = false;
choosePart("useful");
say("Answer with the buttons, or with the keys y, n and ?; u takes the last answer back.");
})();
