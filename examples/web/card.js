// Parts of a view that are loaded and drawn again by themselves.

import { announce, h } from "./dom.js";
import { action } from "./form.js";
import { AlertBox } from "./problems.js";

/**
 * A part with a heading. `load` gets `redraw` and the place for what goes wrong, and answers with
 * what to show. `redraw(text)` loads it again, says `text`, and puts the focus on the heading,
 * because the button that was pressed may be gone.
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

/** A list that is fetched page by page: `fetchPage(after)` answers with a connection. */
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

/** What an item of a list is, and below it in smaller letters what else there is to say. */
export function entry(what, ...more) {
  return h("div", { class: "entry" }, h("span", {}, what), h("span", { class: "faint" }, ...more));
}

/** `ADMIN` as people say it. */
export function roleName(role) {
  return role === "ADMIN" ? "Admin" : "Member";
}
