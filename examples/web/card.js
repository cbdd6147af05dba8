// Parts of a view that load and redraw independently.

import { announce, h } from "./dom.js";
import { action } from "./form.js";
import { AlertBox } from "./problems.js";

/**
 * A part with a heading. `load` receives `redraw` and the alert box, and returns what to show.
 * `redraw(text)` loads it again, shows `text` and focuses the heading, because the pressed button
 * may be gone.
 */
export async function card(title, load) {
  const alert = new AlertBox();
  const heading = h("h2", { tabindex: "-1" }, title);
  const body = h("div", { class: "stack" });
  const redraw = async (text) => {
    body.replaceChildren(h("p", { class: "notice" }, text), ...(await load({ redraw, alert })));
    heading.focus();
    announce(text);
  };
  body.append(...(await load({ redraw, alert })));
  return h("section", { class: "card" }, heading, alert.element, body);
}

/** A list that is fetched page by page: `fetchPage(after)` returns a connection. */
export async function pagedList(label, alert, fetchPage, drawItem) {
  const list = h("ul", { class: "list", "aria-label": label });
  let after = null;
  const add = async () => {
    const { nodes, pageInfo } = await fetchPage(after);
    list.append(...nodes.map((node) => h("li", {}, ...drawItem(node))));
    after = pageInfo.endCursor;
    more.hidden = !pageInfo.hasNextPage;
  };
  const more = action(`More ${label.toLowerCase()}`, alert, add, { hidden: true });
  await add();
  return [list, more];
}

/** A list item: a title and, below it in smaller type, details. */
export function entry(what, ...more) {
  return h("div", { class: "entry" }, h("span", {}, what), h("span", { class: "faint" }, ...more));
}

/** The name of a role for people. */
export function roleName(role) {
  return role === "ADMIN" ? "Admin" : "Member";
}
