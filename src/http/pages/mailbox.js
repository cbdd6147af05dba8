"use strict";

const POLL_MILLISECONDS = 2000;

const byId = (id) => document.getElementById(id);

let mails = [];
let shown = null;
let timer = 0;

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function moment(at) {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  return today ? date.toLocaleTimeString() : date.toLocaleString();
}

function drawList() {
  const items = mails.map((mail) => {
    const link = element("a", "", "");
    link.href = `#${mail.id}`;
    link.append(
      element("span", "to", mail.to),
      element("time", "", moment(mail.at)),
      element("span", "subject", mail.subject),
    );
    if (mail.code !== null) {
      link.append(element("code", "", mail.code));
    } else if (mail.link !== null) {
      link.append(element("code", "", "link"));
    }
    const item = element("li", "", "");
    item.append(link);
    return item;
  });
  byId("list").replaceChildren(...items);
}

// The mail named in the URL; without one, the newest on a wide screen.
function drawMail() {
  const named = mails.find((mail) => `#${mail.id}` === location.hash);
  const mail = named ?? mails[0];
  document.body.classList.toggle("reading", named !== undefined);
  byId("mail").hidden = mail === undefined;
  for (const link of byId("list").querySelectorAll("a")) {
    link.ariaCurrent = link.hash === `#${mail?.id}` ? "true" : null;
  }
  if (mail === undefined || mail.id === shown) {
    shown = mail?.id ?? null;
    return;
  }
  shown = mail.id;
  byId("subject").textContent = mail.subject;
  byId("to").textContent = mail.to;
  byId("at").textContent = new Date(mail.at).toLocaleString();
  byId("kind").textContent = mail.kind;
  byId("code-line").hidden = mail.code === null;
  byId("code").textContent = mail.code ?? "";
  byId("copy").textContent = "Copy";
  byId("link-line").hidden = mail.link === null;
  if (mail.link === null) {
    byId("link").removeAttribute("href");
  } else {
    byId("link").href = mail.link;
  }
  byId("copy-link").textContent = "Copy link";
  byId("text").textContent = mail.text;
  // Replaced, so that "back" leads to the list and not to the previous mail.
  byId("html").contentWindow.location.replace(`/dev/mailbox/mails/${mail.id}/html`);
}

function chooseTab(name) {
  for (const other of ["html", "text"]) {
    byId(other).hidden = other !== name;
    byId(`tab-${other}`).setAttribute("aria-selected", String(other === name));
  }
}

async function copyCode() {
  const code = byId("code");
  getSelection().selectAllChildren(code);
  try {
    // Only available on localhost and over HTTPS; elsewhere the code stays selected.
    await navigator.clipboard.writeText(code.textContent);
    byId("copy").textContent = "Copied";
  } catch {
    byId("copy").textContent = "Selected";
  }
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(byId("link").href);
    byId("copy-link").textContent = "Copied";
  } catch {
    byId("copy-link").textContent = "Not allowed; see the text";
  }
}

async function refresh() {
  try {
    const response = await fetch("/dev/mailbox/mails");
    if (!response.ok) {
      throw new Error(`status ${response.status}`);
    }
    const fresh = await response.json();
    if (JSON.stringify(fresh) !== JSON.stringify(mails)) {
      mails = fresh;
      drawList();
      drawMail();
    }
    byId("status").textContent =
      mails.length === 0
        ? "No mail yet. Mails that the server would send appear here."
        : `${mails.length} ${mails.length === 1 ? "mail" : "mails"}, newest first`;
  } catch {
    byId("status").textContent = "The server does not respond. Trying again…";
  }
  clearTimeout(timer);
  if (!document.hidden) {
    timer = setTimeout(refresh, POLL_MILLISECONDS);
  }
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) {
    refresh();
  }
});
addEventListener("hashchange", drawMail);
byId("tab-html").addEventListener("click", () => chooseTab("html"));
byId("tab-text").addEventListener("click", () => chooseTab("text"));
byId("copy").addEventListener("click", copyCode);
byId("copy-link").addEventListener("click", copyLink);
chooseTab("html");
refresh();
