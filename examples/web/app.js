// The frame around the views: chooses the view for the URL and draws it.

import { logOut, serverInfo } from "./api.js";
import { announce, h } from "./dom.js";
import { action } from "./form.js";
import { AlertBox } from "./problems.js";
import { SessionEnded, isSignedIn, onSessionChange } from "./session.js";
import { code } from "./views/code.js";
import { dashboard } from "./views/dashboard.js";
import { invitation } from "./views/invitation.js";
import { login } from "./views/login.js";
import { chooseNewPassword, forgotPassword } from "./views/password.js";
import { signup } from "./views/signup.js";
import { team } from "./views/team.js";

/** Views by the first part of the path. `who` may see it: visitors, signed-in users, or all. */
const VIEWS = {
  signup: { draw: signup, who: "visitors" },
  login: { draw: login, who: "visitors" },
  code: { draw: code, who: "all" },
  "forgot-password": { draw: forgotPassword, who: "all" },
  "reset-password": { draw: chooseNewPassword, who: "all" },
  "accept-invitation": { draw: invitation, who: "all" },
  dashboard: { draw: dashboard, who: "users" },
  team: { draw: team, who: "users" },
};

const main = document.getElementById("main");
const appName = document.getElementById("app-name");
let notice = null;
let drawn = 0;

/** Goes to another view, which shows `text` at the top. */
function go(address, text = null) {
  notice = text;
  if (location.hash === `#${address}`) {
    draw();
  } else {
    location.hash = address;
  }
}

function place() {
  const [path, search] = location.hash.slice(1).split("?");
  const [, name, argument] = path.split("/");
  return { name, argument, search: new URLSearchParams(search) };
}

/** The requested view, or the start view if the requested one is not for this visitor. */
function viewFor(name) {
  const home = isSignedIn() ? "dashboard" : "login";
  const view = Object.hasOwn(VIEWS, name) ? VIEWS[name] : VIEWS[home];
  const isFor = view.who === "all" || (view.who === "users") === isSignedIn();
  return isFor ? view : VIEWS[home];
}

async function draw() {
  const turn = ++drawn;
  const isFirst = main.childElementCount === 0;
  const { name, argument, search } = place();
  main.setAttribute("aria-busy", "true");
  let page;
  try {
    appName.textContent = (await serverInfo()).appName;
    page = await viewFor(name).draw({ argument, search, go, draw });
  } catch (error) {
    page = broken(error);
  }
  if (turn !== drawn || page === null) {
    return; // Another view was requested meanwhile.
  }
  document.title = `${page.title} – ${appName.textContent}`;
  const title = h("h1", { tabindex: "-1" }, page.title);
  const said = notice && h("p", { class: "notice" }, notice);
  main.className = page.isWide ? "wide" : "narrow";
  main.replaceChildren(title, ...(said ? [said] : []), ...page.content);
  main.removeAttribute("aria-busy");
  drawNavigation();
  if (!isFirst) {
    // As after loading a page: screen readers start at its title.
    title.focus();
    scrollTo(0, 0);
  }
  if (notice) {
    announce(notice);
    notice = null;
  }
}

function broken(error) {
  if (error instanceof SessionEnded) {
    return null; // The sign-in page is about to be shown.
  }
  const alert = new AlertBox();
  alert.show(error);
  const again = h("button", { type: "button", class: "primary", onclick: draw }, "Try again");
  return { title: "Something went wrong", content: [alert.element, again] };
}

function drawNavigation() {
  const { name } = place();
  const link = (to, text) =>
    h("a", { href: `#/${to}`, "aria-current": viewFor(name) === VIEWS[to] ? "page" : null }, text);
  const nav = document.getElementById("nav");
  if (isSignedIn()) {
    const alert = new AlertBox();
    const leave = action("Sign out", alert, async () => {
      await logOut();
      go("/login", "You are signed out.");
    });
    nav.replaceChildren(link("dashboard", "Dashboard"), leave, alert.element);
  } else {
    nav.replaceChildren(link("login", "Sign in"), link("signup", "Sign up"));
  }
}

onSessionChange((why) => {
  if (why === "ended") {
    go("/login", "Your session has ended. Sign in again.");
  } else {
    draw();
  }
});

// Links in mails use a path; turn it into a hash URL like all others.
if (location.pathname !== "/demo") {
  history.replaceState(null, "", `/demo#${location.pathname}${location.search}`);
}
addEventListener("hashchange", draw);
draw();
