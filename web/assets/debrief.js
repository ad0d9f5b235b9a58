// What the pages do beyond links and forms; without it all of them work.
"use strict";
(() => {
  const content = () => document.querySelector("#content");
  const lines = () => [...document.querySelectorAll(".line")];
  const byID = id => id && document.getElementById(id);
  let shown = content().innerHTML;

  // Moments are written in UTC; here is where the reader is.
  function localize(root) {
    const local = new Intl.DateTimeFormat(document.documentElement.lang, {dateStyle: "medium", timeStyle: "short"});
    for (const t of root.querySelectorAll("time[datetime]")) {
      t.title = t.textContent;
      t.textContent = local.format(new Date(t.dateTime));
    }
  }

  // ---- Live updates: the server says that something changed, the page looks again.

  let looking = false, again = false, pressed = false, source = null;

  async function look() {
    // A button that is replaced under the finger would never be clicked.
    if (looking || pressed) { again = true; return; }
    looking = true;
    again = false;
    try {
      const answer = await fetch(location.pathname + location.search);
      if (answer.redirected || answer.status === 404) {
        stop();
        location.reload(); // signed out, or no longer to be seen
      } else if (answer.ok) {
        const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#content");
        if (next && !pressed) swap(next); else again = true;
      }
    } catch {
      // The server is away: the stream comes back with it, and tells.
    } finally {
      looking = false;
      if (again && !pressed) look();
    }
  }

  // What somebody has begun to fill in.
  function begun(e) {
    const at = document.activeElement;
    if (e.contains(at) && at.matches("input, textarea, select")) return true;
    return [...e.querySelectorAll("input:not([type=hidden]), textarea, select")].some(i =>
      i.matches("select") ? [...i.options].some(o => o.selected !== o.defaultSelected) && i.value !== (([...i.options].find(o => o.defaultSelected) || i.options[0] || {}).value) :
      i.matches("[type=radio], [type=checkbox]") ? i.checked !== i.defaultChecked : i.value !== i.defaultValue);
  }

  function swap(next) {
    if (next.innerHTML === shown) return;
    shown = next.innerHTML;
    localize(next);
    const at = document.activeElement, around = at && at.closest("[id]");
    const key = at && at.dataset && at.dataset.key, selection = at && at.matches("input, textarea") ? [at.selectionStart, at.selectionEnd] : null;
    for (const old of content().querySelectorAll("details[id][open]")) {
      const fresh = next.querySelector("#" + CSS.escape(old.id));
      if (fresh) fresh.open = true;
    }
    for (const old of [...content().querySelectorAll("[data-keep]")]) {
      const fresh = next.querySelector("#" + CSS.escape(old.id));
      if (fresh && begun(old)) fresh.replaceWith(old);
    }
    // The same line may ask about other values now: what was meant for those before
    // does not answer it, be it a click or a key on a button that had the focus.
    const renewed = new Set();
    for (const old of lines()) {
      const fresh = next.querySelector("#" + CSS.escape(old.id));
      if (!fresh || fresh.dataset.version === old.dataset.version) continue;
      fresh.dataset.renewed = Date.now();
      renewed.add(old.id);
    }
    content().replaceChildren(...next.childNodes);
    hints();
    announce();
    if (!at || at === document.body || document.activeElement === at) return;
    const back = at.isConnected ? at : key && around && !renewed.has(around.id) ? (byID(around.id) || document).querySelector(`[data-key="${key}"]`) || byID(around.id) : around && byID(around.id);
    if (!back) return;
    back.focus({preventScroll: true});
    if (selection && selection[0] !== null && back === at) {
      try { back.setSelectionRange(...selection); } catch { /* not of this kind of input */ }
    }
  }

  // Who does not see that the page changed is told, between what else is read out:
  // how much waits, or that something is other than it was.
  function announce() {
    const news = byID("news"), count = content().querySelector("[data-count]");
    if (news) news.textContent = count ? count.textContent : news.textContent === news.dataset.news ? news.dataset.news + "\u00a0" : news.dataset.news;
  }

  function start() {
    const address = content().dataset.live;
    if (!address || source || document.hidden) return;
    source = new EventSource(address);
    source.addEventListener("changed", look);
    source.addEventListener("error", () => {
      if (source && source.readyState === EventSource.CLOSED) {
        stop();
        setTimeout(start, 10_000 + 10_000 * Math.random());
      }
    });
  }

  // A page that nobody looks at holds no connection: browsers have six.
  function stop() {
    if (source) source.close();
    source = null;
  }

  document.addEventListener("visibilitychange", () => document.hidden ? stop() : start());
  addEventListener("pagehide", stop);
  addEventListener("pageshow", start);
  addEventListener("pointerdown", () => { pressed = true; });
  for (const end of ["pointerup", "pointercancel"]) {
    addEventListener(end, () => setTimeout(() => { pressed = false; if (again) look(); }));
  }

  // ---- Keys.

  function hints() {
    for (const e of document.querySelectorAll(".keys-hint")) e.hidden = false;
  }

  function move(by) {
    const all = lines(), at = all.indexOf(document.activeElement.closest(".line"));
    const to = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by];
    if (!to) return;
    to.focus({preventScroll: true});
    to.scrollIntoView({block: "nearest"});
  }

  function unfold(line, key) {
    const details = line.querySelector(`details[data-key="${key}"]`);
    if (!details) return;
    details.open = true;
    const first = details.querySelector("input:not([type=hidden]), textarea, select, button");
    if (first) first.focus();
  }

  document.addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing || document.querySelector("dialog[open]")) return;
    const line = e.target.closest(".line");
    if (e.target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select")) {
      const details = e.target.closest("details");
      if (e.key === "Escape" && details && line) { details.open = false; line.focus(); }
      return;
    }
    switch (e.key) {
    case "j": move(1); break;
    case "k": move(-1); break;
    case "a": {
      const button = line && line.querySelector('button[data-key="a"]');
      if (!button) return;
      button.form.requestSubmit(button);
      break;
    }
    case "e": case "r": if (!line) return; unfold(line, e.key); break;
    case "?": { const keys = byID("keys"); if (!keys) return; keys.showModal(); break; }
    default: return;
    }
    e.preventDefault();
  });

  document.addEventListener("click", e => {
    if (e.target.closest("[data-keys]")) byID("keys").showModal();
  });

  // One click is one decision, and the next line is where the reader goes on.
  document.addEventListener("submit", e => {
    if (e.target.method !== "post") return;
    const line = e.target.closest(".line");
    if (e.target.dataset.sent || line && Date.now() - line.dataset.renewed < 1000) { e.preventDefault(); return; }
    e.target.dataset.sent = "yes";
    const all = lines(), at = all.indexOf(line);
    if (at >= 0) sessionStorage.setItem("debrief-next", (all[at + 1] || all[at - 1] || {}).id || "");
  });
  addEventListener("pageshow", e => {
    if (e.persisted) for (const f of document.forms) delete f.dataset.sent;
  });

  localize(document);
  hints();
  start();
  const refused = document.querySelector(".line .problem"), next = sessionStorage.getItem("debrief-next");
  sessionStorage.removeItem("debrief-next");
  const goOn = refused ? refused.closest(".line") : byID(next);
  if (goOn) {
    goOn.focus({preventScroll: true});
    goOn.scrollIntoView({block: "nearest"});
  }
})();
