// Three things that HTML cannot do by itself: the page stays current, links leave Airflow's frame, times are local too.
"use strict";

const EVERY = 30_000; // milliseconds between looks
const AGAIN = 10_000; // after a failure, or where the page itself is one
const framed = window.top !== window;

/** Write the viewer's own time beside each moment, which stays in UTC. */
function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    time.title = `${moment.toLocaleString()} where you are`;
  }
}

/** Airflow's frame lets no link out of it: the page around it follows the link instead. */
function leaveFrame(event) {
  const link = event.target.closest("a[data-top]");
  if (!framed || !link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const outside = window.parent.document.createElement("a");
  outside.href = link.href;
  outside.click();
}

/** A page that is only the way out of the frame goes on by itself. */
function goOn() {
  const link = document.querySelector("a[data-leave]");
  if (link && framed) link.click();
  else if (link) location.replace(link.href);
}

/** Whether somebody is in the middle of something that a new page would take away. */
function busy() {
  const at = document.activeElement;
  const begun = document.querySelector("main details[open], main form.question"); // ticks would come back
  return document.hidden || begun || (at && at.matches("input, textarea, select"));
}

function say(text) {
  const status = document.querySelector("[data-status]");
  if (!status || status.textContent === text) return;
  status.textContent = text;
  status.hidden = text === "";
}

/** Put what the ledger says now in the place of what it said before; where that fails, say since when. */
async function look(since) {
  if (busy()) return true;
  let answer;
  try {
    answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store" });
  } catch {
    say(`Not current: Airflow does not answer since ${since}.`);
    return false;
  }
  if (!answer.ok || answer.headers.get("Upkeep-Page") !== "yes") {
    const why = answer.status === 401 ? "you are signed out" : "the ledger cannot be read";
    say(`Not current: ${why} since ${since}.`);
    return false;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("main"), place = document.querySelector("main");
  if (!fresh || busy()) return true;
  const focused = document.activeElement?.getAttribute("href");
  localTimes(fresh);
  place.replaceChildren(...fresh.childNodes);
  if (focused) place.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  document.title = page.title;
  say("");
  return true;
}

function keepCurrent() {
  let since = new Date();
  const next = async () => {
    const good = await look(since.toLocaleTimeString());
    if (good) since = new Date();
    setTimeout(next, good ? EVERY : AGAIN);
  };
  setTimeout(next, EVERY);
}

async function tryAgain() {
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store" });
    if (answer.ok) location.reload();
  } catch {
    // still away
  }
  setTimeout(tryAgain, AGAIN);
}

localTimes(document);
document.addEventListener("click", leaveFrame);
goOn();
if (framed) for (const link of document.querySelectorAll("a.full")) link.hidden = false;
if (document.querySelector("[data-live]")) keepCurrent();
if (document.querySelector("[data-again]")) setTimeout(tryAgain, AGAIN);
