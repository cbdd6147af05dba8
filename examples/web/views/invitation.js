import { Refused, logOut, mutate, query } from "../api.js";
import { confirmed, h, moment } from "../dom.js";
import { action } from "../form.js";
import { AlertBox } from "../problems.js";
import { isSignedIn } from "../session.js";
import { emailField, signupForm } from "./signup.js";

const PREVIEW = `query Invitation($token: String!) {
  invitation(token: $token) { teamName inviterName email role expiresAt }
}`;
const ACCEPT = `mutation Accept($input: AcceptInvitationInput!) {
  acceptInvitation(input: $input) { membership { team { id name } } errors { ...Problem } }
}`;
const DECLINE = `mutation Decline($input: DeclineInvitationInput!) {
  declineInvitation(input: $input) { message errors { ...Problem } }
}`;

/** Where the mailed link of an invitation leads: what it is, then to join or not. */
export async function invitation({ search, go }) {
  const token = search.get("token") ?? "";
  const { invitation: preview } = await query(PREVIEW, { token });
  if (preview === null) {
    return {
      title: "This invitation is over",
      content: [h("p", {}, "It was used, taken back or has expired. Ask whoever invited you for a new one.")],
    };
  }
  const alert = new AlertBox();
  const place = h("div");
  const accept = () => join({ token, preview, place, go });
  const decline = async () => {
    if (await confirmed(`Decline to join ${preview.teamName}?`, "Decline")) {
      await mutate(DECLINE, { token });
      go(isSignedIn() ? "/dashboard" : "/login", "You have declined the invitation.");
    }
  };
  const buttons = [action("Join the team", alert, accept, { class: "primary" }), action("Decline", alert, decline)];
  place.append(alert.element, h("div", { class: "row" }, ...buttons));
  const inviter = preview.inviterName ?? "Somebody";
  const email = h("strong", {}, preview.email);
  const as = preview.role === "ADMIN" ? "an admin" : "a member";
  return {
    title: `Join ${preview.teamName}`,
    content: [
      h("p", {}, `${inviter} invites `, email, ` to join as ${as}.`),
      h("p", { class: "faint" }, "The invitation is good until ", moment(preview.expiresAt), "."),
      place,
    ],
  };
}

async function join({ token, preview, place, go }) {
  try {
    const { membership } = await mutate(ACCEPT, { token });
    const welcome = `You are a member of ${membership.team.name} now.`;
    if (isSignedIn()) {
      go(`/team/${membership.team.id}`, welcome);
    } else {
      go(`/login?email=${encodeURIComponent(preview.email)}`, `${welcome} Log in to see it.`);
    }
  } catch (error) {
    if (!(error instanceof Refused)) {
      throw error;
    }
    if (error.find("ACCOUNT_NOT_FOUND")) {
      offerToSignUp({ token, preview, place, go });
    } else if (error.find("INVITATION_EMAIL_MISMATCH")) {
      offerToLogOut({ token, preview, place, go });
    } else {
      throw error;
    }
  }
}

/** The invited address has no account yet: signing up joins the team. */
function offerToSignUp({ token, preview, place, go }) {
  const email = emailField(preview.email, { readonly: true });
  const heading = h("h2", { tabindex: "-1" }, "Sign up to join");
  place.replaceChildren(heading, signupForm({ email, invitationToken: token }, go));
  heading.focus();
}

/** Somebody else is signed in. */
function offerToLogOut({ token, preview, place, go }) {
  const alert = new AlertBox();
  const leave = action(
    "Log out and join",
    alert,
    async () => {
      await logOut();
      await join({ token, preview, place, go });
    },
    { class: "primary" },
  );
  const text = h("p", { tabindex: "-1" }, `You are logged in with another address than ${preview.email}.`);
  place.replaceChildren(text, alert.element, leave);
  text.focus();
}
