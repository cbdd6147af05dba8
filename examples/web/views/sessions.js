import { logOut, mutate, query } from "../api.js";
import { card, entry } from "../card.js";
import { confirmed, h, moment } from "../dom.js";
import { action } from "../form.js";

const SESSIONS = "query Sessions { sessions { id userAgent ipAddress lastUsedAt isCurrent } }";
const REVOKE = `mutation Revoke($input: RevokeSessionInput!) {
  revokeSession(input: $input) { endedSessionId errors { ...Problem } }
}`;
const REVOKE_OTHERS = "mutation RevokeOthers { revokeOtherSessions { endedSessionIds errors { ...Problem } } }";

/** The user's sessions, and how to sign them out. */
export function sessionsCard(go) {
  return card("Sessions", async ({ redraw, alert }) => {
    const { sessions } = await query(SESSIONS);
    const end = (session) =>
      action(
        "Sign out",
        alert,
        async () => {
          await mutate(REVOKE, { sessionId: session.id });
          await redraw("The session was signed out.");
        },
        { "aria-label": `Sign out the session on ${device(session)}` },
      );
    const items = sessions.map((session) =>
      h(
        "li",
        {},
        entry(device(session), session.ipAddress ?? "", " · ", moment(session.lastUsedAt)),
        session.isCurrent ? h("span", { class: "badge" }, "This session") : end(session),
      ),
    );
    const endOthers = action("Sign out all others", alert, async () => {
      const { endedSessionIds } = await mutate(REVOKE_OTHERS);
      const ended = endedSessionIds.length;
      await redraw(ended === 1 ? "1 session was signed out." : `${ended} sessions were signed out.`);
    });
    const everywhere = action("Sign out everywhere", alert, async () => {
      if (await confirmed("Sign out all sessions, including this one?", "Sign out everywhere")) {
        await mutate(REVOKE_OTHERS);
        await logOut();
        go("/login", "You are signed out everywhere.");
      }
    });
    const list = h("ul", { class: "list", "aria-label": "Sessions" }, ...items);
    return [list, h("div", { class: "row" }, sessions.length > 1 ? endOthers : null, everywhere)];
  });
}

/** A short name for the browser and system of a session. */
function device({ userAgent }) {
  if (!userAgent) {
    return "Unknown device";
  }
  const browsers = ["Edg", "OPR", "Firefox", "Chrome", "Safari"];
  const systems = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"];
  const find = (names) => names.find((name) => userAgent.includes(name));
  const [browser, system] = [find(browsers), find(systems)];
  return browser && system ? `${browser} on ${system}` : userAgent.slice(0, 40);
}
