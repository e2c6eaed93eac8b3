// Starts every quiz of the page that has not been started. The record kept for each quiz, and read by progress.js:
// {key: edition, of: 10, answers: [option or null], right: how many now, best: the best finished score}
(() => {
  const PREFIX = "minivit.quiz.v1.";
  // Storage may be refused (sandboxed frames, private windows): then the quiz works and forgets.
  const read = (slot) => { try { return localStorage.getItem(slot); } catch { return null; } };
  const write = (slot, text) => { try { localStorage.setItem(slot, text); return true; } catch { return false; } };
  const parse = (text) => { try { return JSON.parse(text); } catch { return null; } };
  const sum = (text) => [...text].reduce((h, c) => (h * 31 + c.charCodeAt()) % 46656, 7).toString(36);
  const make = (parent, tag, name, text = "") => {
    const node = parent.appendChild(document.createElement(tag));
    if (name) node.className = name;
    node.textContent = text;
    return node;
  };
  const button = (parent, text, act) => {
    const node = make(parent, "button", "", text);
    node.type = "button";
    node.onclick = act;
    return node;
  };

  const start = (root) => {
    root.dataset.on = "";
    const { key, right, why, css } = parse(root.querySelector("script").textContent);
    const stem = root.dataset.stem, slot = PREFIX + stem, n = right.length;
    const fields = [...root.querySelectorAll("fieldset")];
    const status = root.querySelector(".mq-status");
    const plenty = (score) => 4 * score > 3 * n;
    const fresh = () => ({ key, of: n, answers: right.map(() => null), right: 0, best: 0 });
    const fits = (r) => r?.key === key && Array.isArray(r.answers) && r.answers.length === n
      && r.answers.every((a, i) => a === null || (Number.isInteger(a) && why[i][a]))
      && Number.isInteger(r.best) && r.best >= 0 && r.best <= n;
    let note = "";

    // What cannot be used is moved to a key of its own, never overwritten.
    const load = () => {
      const text = read(slot), record = parse(text);
      if (text === null || fits(record)) return record ?? fresh();
      let i = 1;
      while (read(`minivit.aside.${i}.${slot}`) !== null) i++;
      if (write(`minivit.aside.${i}.${slot}`, text)) localStorage.removeItem(slot);
      note = typeof record?.key === "string" && record.key !== key
        ? "The questions have changed since your last visit. Your earlier answers were set aside."
        : "The progress stored here could not be read. It was set aside.";
      return fresh();
    };

    const count = () => state.answers.filter((a, i) => a === right[i]).length;
    const save = () => {
      state.right = count();
      if (!state.answers.includes(null)) state.best = Math.max(state.best, state.right);
      note = write(slot, JSON.stringify(state)) ? "" : "This page cannot keep your progress. The code below can.";
      document.dispatchEvent(new CustomEvent("minivit:quiz", { detail: { stem, record: state, from: root } }));
      paint();
    };

    const paint = () => {
      fields.forEach((field, i) => {
        const a = state.answers[i], done = a !== null, was = field.disabled;
        field.querySelectorAll(".mq-option").forEach((row, j) => {
          const radio = row.querySelector("input");
          if (done || was) radio.checked = j === a;
          row.querySelector(".mq-why")?.remove();
          if (!done) return delete row.dataset.is;
          row.dataset.is = j === right[i] ? "right" : j === a ? "wrong" : "other";
          const p = make(row, "p", "mq-why");
          p.innerHTML = why[i][j];
          const mark = j === right[i] ? (j === a ? "Right. " : "The right answer. ") : j === a ? "Your answer. " : "";
          if (mark) p.prepend(Object.assign(document.createElement("strong"), { textContent: mark }));
        });
        field.disabled = field.check.hidden = done;
        if (done || was) field.verdict.textContent = !done ? "" : a === right[i] ? "Right." : "Not right. The notes above say why.";
        pips.children[i].dataset.is = !done ? "" : a === right[i] ? "right" : "wrong";
      });
      const left = state.answers.filter((a) => a === null).length, score = count();
      const done = plenty(state.best), now = plenty(score);
      again.hidden = left > 0 || score === n;
      clear.hidden = left > 0;
      root.dataset.complete = done;
      status.textContent = left
        ? `${left} question${left > 1 ? "s" : ""} remaining.` + (done ? ` Lesson complete, best score ${state.best} of ${n}.` : "")
        : `Score ${score} of ${n} (${Math.round((100 * score) / n)}%). ` + (now ? "Lesson complete."
          : done ? `The lesson stays complete: your best score is ${state.best}.` : "Above 75% completes the lesson.");
      remark.textContent = note;
      code.value = `${stem}:${key}:${state.answers.map((a) => a ?? "-").join("")}:${state.best}`;
      code.value += ":" + sum(code.value);
    };

    const reopen = (all) => {
      state.answers = state.answers.map((a, i) => (all || a !== right[i] ? null : a));
      save();
      fields.find((field) => !field.disabled).querySelector("input").focus();
    };

    const paste = () => {
      const [, body, name, edition, picks, best, check] = code.value.trim().match(/^((\w+):(\w+):([-\d]+):(\d+)):(\w+)$/) ?? [];
      const record = { key, answers: [...(picks ?? "")].map((c) => (c === "-" ? null : +c)), best: +best };
      const wrong = !body || sum(body) !== check ? "This is not a whole progress code."
        : name !== stem ? `This code belongs to the quiz ${name}.`
        : edition !== key ? "This code belongs to another edition of the questions."
        : fits(record) ? "" : "This code does not fit these questions.";
      reply.textContent = wrong ? wrong + " Nothing was changed." : "Progress loaded.";
      if (wrong) return;
      state.answers = record.answers.map((a, i) => a ?? state.answers[i]);
      state.best = Math.max(state.best, record.best);
      save();
    };

    const copy = async () => {
      code.select();
      try { await navigator.clipboard.writeText(code.value); reply.textContent = "Copied."; }
      catch { reply.textContent = document.execCommand("copy") ? "Copied." : "The code is selected: copy it with your keyboard."; }
    };

    root.prepend(Object.assign(document.createElement("style"), { textContent: css }));
    fields.forEach((field, i) => {
      const foot = make(field, "div", "mq-foot");
      field.check = button(foot, "Check", () => {
        const picked = field.querySelector("input:checked");
        if (!picked) { field.verdict.textContent = "Choose an answer first."; return; }
        state.answers[i] = +picked.value;
        save();
        field.verdict.focus();
      });
      field.check.setAttribute("aria-label", `Check question ${i + 1}`);
      field.verdict = make(foot, "p", "mq-verdict");
      field.verdict.tabIndex = -1;
      field.verdict.setAttribute("role", "status");
    });
    const bar = make(root, "div", "mq-bar"), pips = make(bar, "span", "mq-pips");
    pips.setAttribute("aria-hidden", "true");
    fields.forEach(() => make(pips, "i"));
    bar.append(status);
    const again = button(bar, "Try the missed ones again", () => reopen(false));
    const clear = button(bar, "Clear all answers", () => reopen(true));
    const remark = make(root, "p", "mq-remark");
    remark.setAttribute("role", "status");
    const more = make(root, "details");
    make(more, "summary", "", "Take your progress elsewhere");
    make(more, "p", "", "Each place (this page, JupyterLab, Colab) keeps its own progress. Copy this code and load it in the other place.");
    const label = make(more, "label", "mq-code", "Progress code "), code = make(label, "input");
    code.spellcheck = false;
    button(more, "Copy", copy);
    button(more, "Load", paste);
    const reply = make(more, "p", "mq-remark");
    reply.setAttribute("role", "status");

    root.onsubmit = (event) => { event.preventDefault(); if (document.activeElement === code) paste(); };
    // Other copies on the page, and other windows.
    document.addEventListener("minivit:quiz", ({ detail }) => {
      if (detail.from === root || detail.stem !== stem || !fits(detail.record)) return;
      state = structuredClone(detail.record);
      paint();
    });
    addEventListener("storage", (event) => {
      const record = event.key === null ? null : parse(event.newValue);
      if (event.key !== null && event.key !== slot) return;
      if (event.newValue === null || fits(record)) { state = record ?? fresh(); paint(); }
    });
    let state = load();
    paint();
  };
  document.querySelectorAll("form.minivit-quiz:not([data-on])").forEach(start);
})();
