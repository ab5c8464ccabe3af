// The log of a run: follows, searches, and after a gap asks for what came since. Lines are text, never markup.
(() => {
  const log = document.getElementById("run-log");
  if (!log) return;
  const MOST = 2000, LEVELS = ["debug", "info", "warning", "error"];
  const list = log.querySelector("[data-lines]"), form = log.querySelector("form"), none = log.querySelector("[data-none]");
  const state = log.querySelector("[data-log-state]"), follow = log.querySelector("[data-follow]"), box = follow.querySelector("input");
  const plain = none.textContent, run = log.dataset.run, ids = new Set([...list.children].map((one) => Number(one.dataset.id)));
  let asking = null, more = false, left = 0; // left: where we put the list ourselves
  follow.hidden = false;
  form.querySelector("button").hidden = true; // what is typed is searched at once

  const choice = () => Object.fromEntries(new FormData(form));
  const fits = ([, stage, , level, , text]) => {
    const want = choice();
    return (!want.stage || want.stage === stage) && LEVELS.indexOf(level) >= LEVELS.indexOf(want.level)
      && (!want.contains || text.toLowerCase().includes(want.contains.toLowerCase()));
  };
  const piece = (name, text) => { const one = document.createElement("span"); one.className = name; one.textContent = text; return one; };
  const element = ([id, stage, at, level, source, text]) => {
    const li = document.createElement("li");
    li.dataset.id = id;
    li.className = LEVELS.includes(level) ? level : "info";
    li.append(piece("at", at), " ", piece("stage", stage), " ", piece("level", level), " ", piece("source", source), " ", piece("text", text));
    return li;
  };
  const bottom = () => { if (box.checked) { list.scrollTop = list.scrollHeight; left = list.scrollTop; } };
  const say = () => {
    none.hidden = list.childElementCount > 0;
    const want = choice(), some = want.stage || want.contains || want.level !== "debug";
    none.textContent = some ? "No line like that yet." : plain;
    state.textContent = box.checked ? "" : "Not following";
  };
  const add = (lines) => {
    const fresh = lines.filter((line) => !ids.has(line[0]) && fits(line));
    if (!fresh.length) return;
    for (const line of fresh) {
      ids.add(line[0]);
      let before = null;
      for (let last = list.lastElementChild; last && Number(last.dataset.id) > line[0]; last = last.previousElementSibling) before = last;
      list.insertBefore(element(line), before);
    }
    while (list.childElementCount > MOST) { ids.delete(Number(list.firstElementChild.dataset.id)); list.firstElementChild.remove(); }
    say(); bottom();
  };
  const ask = async (place) => {
    const query = new URLSearchParams({ ...choice(), ...place });
    const answer = await fetch(`/runs/${run}/log?${query}`, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (!answer.ok) throw new Error(`the log answers ${answer.status}`);
    return answer.json();
  };
  // What came after the newest that is here; a little before it too, for lines may overtake each other.
  const catchUp = async () => {
    if (asking) { more = true; return; }
    do {
      more = false;
      asking = new AbortController();
      try {
        for (let told = { more: true }; told.more;) {
          const known = [...list.children], from = known[Math.max(0, known.length - 20)];
          if (!from) { told = await ask({}); add(told.lines); break; }
          const newest = list.lastElementChild.dataset.id;
          told = await ask({ after: from.dataset.id });
          add(told.lines);
          if (list.lastElementChild.dataset.id === newest) break;
        }
      } catch { setTimeout(catchUp, 2000); } finally { asking = null; }
    } while (more);
  };
  const again = async () => {
    const said = JSON.stringify(choice());
    try {
      const told = await ask({});
      if (said !== JSON.stringify(choice())) return;
      list.replaceChildren(); ids.clear(); add(told.lines); say();
      catchUp();
    } catch { state.textContent = "The log cannot be read now"; }
  };

  let soon = null;
  form.addEventListener("input", () => { clearTimeout(soon); soon = setTimeout(again, 200); });
  form.addEventListener("submit", (event) => { event.preventDefault(); again(); });
  list.addEventListener("scroll", () => {
    const there = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
    if (there) box.checked = true; else if (list.scrollTop < left - 1) box.checked = false; // a person scrolled up
    say();
  });
  box.addEventListener("change", () => { bottom(); say(); });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-log-stage]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    form.elements.stage.value = link.dataset.logStage;
    again(); log.scrollIntoView({ block: "nearest" }); list.focus();
  });
  document.addEventListener("log", ({ detail }) => {
    const told = JSON.parse(detail.data);
    if (String(told.run) !== run) return;
    if (told.ask) catchUp(); else add(told.lines);
  });
  document.addEventListener("resync", catchUp);
  bottom();
})();
