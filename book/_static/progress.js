// The reader's progress: ticks in the sidebar, a line on the front page, and the progress page with its file.
// It reads the records that the quizzes keep under minivit.quiz.v1.<stem>; quiz.js describes them.
(() => {
  // The fifteen lessons, by number. A lesson is published once the sidebar links to notebooks/NN_....html.
  const LESSONS = [
    "Patches", "Positions", "Attention", "Encoder blocks", "The whole ViT", "Scale, and what a CNN knows", "CLIP", "SigLIP",
    "NaFlex", "SigLIP 2's other signals", "DINOv2", "LLaVA's bridge", "The inspection assistant", "Beyond one machine",
    "The real thing",
  ];
  const PREFIX = "minivit.quiz.v1.", STEM = /^\d\d_\w{1,60}$/, FORMAT = "minivit-progress";
  const here = document.currentScript.src;

  // ---- storage ------------------------------------------------------------------------------------------------------

  const parse = (text) => { try { return JSON.parse(text); } catch { return null; } };
  const count = (value, most) => Number.isInteger(value) && value >= 0 && value <= most;
  const valid = (r) => typeof r?.key === "string" && r.key.length <= 64 && count(r.of, 100) && r.of > 0
    && Array.isArray(r.answers) && r.answers.length === r.of && r.answers.every((a) => a === null || count(a, 9))
    && count(r.right, r.of) && count(r.best, r.of);
  const complete = (r) => Boolean(r) && 4 * r.best > 3 * r.of;
  const answered = (r) => r.answers.filter((a) => a !== null).length;

  // Only what can be read; the rest is left for the quiz to set aside.
  const records = () => {
    const found = {};
    try {
      for (const slot of Object.keys(localStorage)) {
        const stem = slot.slice(PREFIX.length), record = slot.startsWith(PREFIX) && parse(localStorage[slot]);
        if (STEM.test(stem) && valid(record)) found[stem] = record;
      }
    } catch { /* storage refused: nothing is known */ }
    return found;
  };

  const put = (stem, record) => {
    const slot = PREFIX + stem, old = localStorage.getItem(slot);
    if (old !== null && !valid(parse(old))) {
      let i = 1;
      while (localStorage.getItem(`minivit.aside.${i}.${slot}`) !== null) i++;
      localStorage.setItem(`minivit.aside.${i}.${slot}`, old);
    }
    localStorage.setItem(slot, JSON.stringify(record));
  };

  // ---- the page -----------------------------------------------------------------------------------------------------

  const make = (parent, tag, name = "", text = "") => {
    const node = parent.appendChild(document.createElement(tag));
    if (name) node.className = name;
    node.textContent = text;
    return node;
  };

  const links = () => [...document.querySelectorAll("nav.bd-links a.internal")].map((link) => {
    const [, stem] = new URL(link.href).pathname.match(/\/notebooks\/(\d\d_\w+)\.html$/) ?? [];
    return { link, stem, path: new URL(link.href).pathname };
  });

  const ticks = (kept) => {
    for (const { link, stem } of links()) {
      const tick = link.querySelector(".mp-tick"), done = complete(kept[stem]);
      if (done && !tick) {
        const made = make(link, "span", "mp-tick", "✓");
        made.setAttribute("role", "img");
        made.setAttribute("aria-label", "lesson complete");
      } else if (!done) tick?.remove();
    }
  };

  const lessons = (kept) => LESSONS.map((title, i) => {
    const number = String(i + 1).padStart(2, "0") + "_";
    const stem = Object.keys(kept).find((name) => name.startsWith(number)), record = kept[stem];
    const href = links().find((entry) => entry.stem?.startsWith(number))?.link.href;
    const state = complete(record) ? "complete" : record && (answered(record) || record.best) ? "started" : href ? "open" : "to-come";
    const words = state === "complete" ? `complete, ${record.best} of ${record.of}`
      : state === "started" ? `${answered(record)} of ${record.of} answered` + (record.best ? `, best score ${record.best}` : "")
      : state === "open" ? "not started" : "to come";
    return { number: i + 1, title, href, state, words };
  });

  const bar = (parent, done) => {
    const node = make(parent, "progress", "mp-bar");
    node.max = LESSONS.length;
    node.value = done;
    node.setAttribute("aria-label", "Lessons complete");
    return node;
  };

  const line = (place, list, done) => {
    place.replaceChildren();
    const p = make(place, "p", "mp-line", done ? `You have completed ${done} of ${LESSONS.length} lessons. ` : "Your progress through the fifteen lessons appears here. ");
    const next = list.find((lesson) => lesson.href && lesson.state !== "complete");
    if (next && (done || next.state === "started")) {
      make(p, "a", "", `Go on with lesson ${next.number}`).href = next.href;
      p.append(". ");
    }
    const all = links().find((entry) => entry.path.endsWith("/book/progress.html"));
    if (all) make(p, "a", "", "Keep it, or take it elsewhere").href = all.link.href;
    bar(place, done);
  };

  const table = (place, list, done) => {
    place.replaceChildren();
    make(place, "p", "mp-line", `${done} of ${LESSONS.length} lessons complete.`);
    bar(place, done);
    const rows = make(place, "ol", "mp-lessons");
    for (const lesson of list) {
      const row = make(rows, "li");
      row.dataset.state = lesson.state;
      make(row, "span", "mp-mark", lesson.state === "complete" ? "✓" : "").setAttribute("aria-hidden", "true");
      const title = make(row, lesson.href ? "a" : "span", "mp-title", `${lesson.number} · ${lesson.title}`);
      if (lesson.href) title.href = lesson.href;
      make(row, "span", "mp-state", lesson.words);
    }
  };

  const render = () => {
    const kept = records(), list = lessons(kept), done = list.filter((lesson) => lesson.state === "complete").length;
    ticks(kept);
    document.querySelectorAll("[data-minivit-progress]").forEach((place) => {
      if (place.dataset.minivitProgress !== "full") return line(place, list, done);
      if (!place.querySelector(".mp-table")) controls(place);
      table(place.querySelector(".mp-table"), list, done);
    });
  };

  // ---- the file -----------------------------------------------------------------------------------------------------

  const save = () => {
    const quizzes = records();
    if (!Object.keys(quizzes).length) return "There is no progress to export yet.";
    const text = JSON.stringify({ format: FORMAT, version: 1, exported: new Date().toISOString(), quizzes }, null, 2);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "minivit-progress.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    return "Progress exported to minivit-progress.json.";
  };

  // The better answers stay; the best score never falls. Another edition's answers do not replace the ones kept here.
  const better = (mine, theirs) => {
    const [top] = [mine, theirs].sort((a, b) => b.right - a.right || answered(b) - answered(a));
    return { ...top, best: Math.max(mine.best, theirs.best) };
  };

  const load = (text) => {
    const file = parse(text), nothing = " Nothing was changed.";
    if (file?.format !== FORMAT) return "This is not a file of minivit progress." + nothing;
    if (file.version !== 1) return `This file has version ${file.version}; this page reads version 1.` + nothing;
    const entries = Object.entries(file.quizzes ?? {});
    const bad = entries.find(([stem, record]) => !STEM.test(stem) || !valid(record));
    if (bad) return `The entry ${JSON.stringify(bad[0].slice(0, 40))} in this file is damaged.` + nothing;
    if (!entries.length) return "This file holds no progress." + nothing;
    const kept = records();
    let left = 0;
    try {
      for (const [stem, { key, of, answers, right, best }] of entries) {
        const theirs = { key, of, answers, right, best }, mine = kept[stem];
        if (mine && mine.key !== key) left++;
        else put(stem, mine ? better(mine, theirs) : theirs);
      }
    } catch { return "This browser refuses to keep data for this page, so the file was not imported."; }
    const taken = entries.length - left;
    return `${taken} ${taken === 1 ? "quiz" : "quizzes"} imported.` + (left ? ` ${left} left as here: the file's answers are to other questions.` : "");
  };

  const forget = () => {
    try { Object.keys(localStorage).filter((slot) => /^minivit\.(quiz|aside)\./.test(slot)).forEach((slot) => localStorage.removeItem(slot)); }
    catch { return "This browser keeps no data for this page."; }
    return "All progress was removed from this browser.";
  };

  const controls = (place) => {
    place.replaceChildren();
    make(place, "div", "mp-table");
    const row = make(place, "div", "mp-controls"), ask = make(place, "div", "mp-ask");
    const said = make(place, "p", "mp-said");
    said.setAttribute("role", "status");
    const say = (text) => { said.textContent = text; render(); };
    const button = (parent, text, act) => Object.assign(make(parent, "button", "", text), { type: "button", onclick: act });

    button(row, "Export to a file", () => say(save()));
    const input = make(row, "input");
    Object.assign(input, { type: "file", accept: ".json,application/json", hidden: true });
    input.setAttribute("aria-label", "Progress file");
    button(row, "Import from a file", () => input.click());
    input.onchange = async () => {
      const [file] = input.files;
      if (!file) return;
      const text = file.size > 1e6 ? "" : await file.text().catch(() => "");
      input.value = "";
      say(load(text));
    };
    const reset = button(row, "Reset", () => { ask.hidden = false; keep.focus(); });
    const close = () => { ask.hidden = true; reset.focus(); };
    ask.hidden = true;
    ask.setAttribute("role", "group");
    ask.setAttribute("aria-label", "Confirm the reset");
    make(ask, "p", "", "Remove the answers and scores of all lessons from this browser? An exported file can bring them back.");
    const keep = button(ask, "Keep them", close);
    button(ask, "Remove all", () => { close(); say(forget()); });
  };

  const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL("progress.css", here).href });
  document.head.append(style);
  document.addEventListener("minivit:quiz", render);
  addEventListener("storage", render);
  addEventListener("pageshow", (event) => { if (event.persisted) render(); });
  render();
})();
