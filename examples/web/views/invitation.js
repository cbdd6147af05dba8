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

/** The page behind the link in an invitation mail: shows the invitation, then joins or declines. */
export async function invitation({ search, go }) {
  const token = search.get("token") ?? "";
  const { invitation: preview } = await query(PREVIEW, { token });
  if (preview === null) {
    return {
      title: "This invitation is no longer valid",
      content: [h("p", {}, "It was already used, was revoked, or has expired. Ask the person who invited you for a new one.")],
    };
  }
  const alert = new AlertBox();
  const place = h("div");
  const accept = () => join({ token, preview, place, go });
  const decline = async () => {
    if (await confirmed(`Decline the invitation to ${preview.teamName}?`, "Decline")) {
      await mutate(DECLINE, { token });
      go(isSignedIn() ? "/dashboard" : "/login", "You declined the invitation.");
    }
  };
  const buttons = [action("Join the team", alert, accept, { class: "primary" }), action("Decline", alert, decline)];
  place.append(alert.element, h("div", { class: "row" }, ...buttons));
  const inviter = preview.inviterName ?? "Someone";
  const email = h("strong", {}, preview.email);
  const as = preview.role === "ADMIN" ? "an admin" : "a member";
  return {
    title: `Join ${preview.teamName}`,
    content: [
      h("p", {}, `${inviter} invited `, email, ` to join as ${as}.`),
      h("p", { class: "faint" }, "The invitation is valid until ", moment(preview.expiresAt), "."),
      place,
    ],
  };
}

async function join({ token, preview, place, go }) {
  try {
    const { membership } = await mutate(ACCEPT, { token });
    const welcome = `You are now a member of ${membership.team.name}.`;
    if (isSignedIn()) {
      go(`/team/${membership.team.id}`, welcome);
    } else {
      go(`/login?email=${encodeURIComponent(preview.email)}`, `${welcome} Sign in to see it.`);
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

/** The invited email address has no account yet: signing up joins the team. */
function offerToSignUp({ token, preview, place, go }) {
  const email = emailField(preview.email, { readonly: true });
  const heading = h("h2", { tabindex: "-1" }, "Sign up to join");
  place.replaceChildren(heading, signupForm({ email, invitationToken: token }, go));
  heading.focus();
}

/** A different user is signed in. */
function offerToLogOut({ token, preview, place, go }) {
  const alert = new AlertBox();
  const leave = action(
    "Sign out and join",
    alert,
    async () => {
      await logOut();
      await join({ token, preview, place, go });
    },
    { class: "primary" },
  );
  const text = h("p", { tabindex: "-1" }, `You are signed in with a different email address than ${preview.email}.`);
  place.replaceChildren(text, alert.element, leave);
  text.focus();
}
