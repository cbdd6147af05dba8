import { mutate, query } from "../api.js";
import { card, entry, pagedList, roleName } from "../card.js";
import { askForCode } from "../challenge.js";
import { h } from "../dom.js";
import { action, field, form } from "../form.js";
import { sessionsCard } from "./sessions.js";
import { newPasswordField } from "./signup.js";

const ME = "query Me { me { name email phone company emailVerified hasPassword } }";
const UPDATE = `mutation UpdateMe($input: UpdateMeInput!) {
  updateMe(input: $input) { user { id } errors { ...Problem } }
}`;
const CHANGE_PASSWORD = `mutation ChangePassword($input: ChangePasswordInput!) {
  changePassword(input: $input) { user { id } errors { ...Problem } }
}`;
const TEAMS = `query Teams($after: String) {
  teams(first: 20, after: $after) {
    nodes { id role team { id name description } }
    pageInfo { hasNextPage endCursor }
  }
}`;
const CREATE_TEAM = `mutation CreateTeam($input: CreateTeamInput!) {
  createTeam(input: $input) { team { id name } errors { ...Problem } }
}`;

/** The signed-in user's own page. All parts are loaded at the same time. */
export async function dashboard({ go }) {
  const cards = await Promise.all([
    card("Profile", profile(go)),
    card("Teams", teams(go)),
    card("Password", password),
    sessionsCard(go),
  ]);
  return { title: "Dashboard", isWide: true, content: [h("div", { class: "cards" }, ...cards)] };
}

function profile(go) {
  return async ({ redraw, alert }) => {
    const { me } = await query(ME);
    const fields = [
      field({ name: "name", label: "Name", autocomplete: "name", value: me.name }),
      field({ name: "phone", label: "Phone", type: "tel", autocomplete: "tel", value: me.phone }),
      field({ name: "company", label: "Company", autocomplete: "organization", value: me.company }),
    ];
    const edit = form({
      fields,
      submit: "Save profile",
      onSubmit: async (values) => {
        await mutate(UPDATE, values);
        await redraw("Your profile was saved.");
      },
    });
    const address = h("p", {}, "Signed in as ", h("strong", {}, me.email), ".");
    return me.emailVerified ? [address, edit] : [address, ...unverified(alert, go), edit];
  };
}

function unverified(alert, go) {
  const verify = action("Email me a code", alert, async () => {
    await askForCode("verify");
    go("/code");
  });
  return [h("p", { class: "notice" }, "Your email address is not verified yet. You cannot invite anyone until it is."), verify];
}

async function password({ redraw }) {
  const { me } = await query(ME);
  const current = field({
    name: "currentPassword",
    label: "Current password",
    type: "password",
    autocomplete: "current-password",
  });
  const chosen = await newPasswordField("newPassword", "New password");
  const change = form({
    fields: me.hasPassword ? [current, chosen] : [chosen],
    submit: me.hasPassword ? "Change password" : "Set password",
    onSubmit: async (values) => {
      await mutate(CHANGE_PASSWORD, values);
      await redraw("Your password was saved. All other sessions were signed out.");
    },
  });
  const about = me.hasPassword ? "Changing it signs out all other sessions." : "You can sign in with an emailed code; a password is optional.";
  return [h("p", { class: "faint" }, about), change];
}

function teams(go) {
  return async ({ alert }) => {
    const fetchPage = async (after) => (await query(TEAMS, { after })).teams;
    const [list, more] = await pagedList("Teams", alert, fetchPage, ({ role, team }) => [
      entry(h("a", { href: `#/team/${team.id}` }, team.name), team.description ?? ""),
      h("span", { class: "badge" }, roleName(role)),
    ]);
    const create = form({
      fields: [
        field({ name: "name", label: "Team name" }),
        field({ name: "description", label: "Description" }),
      ],
      submit: "Create team",
      onSubmit: async (values) => {
        const { team } = await mutate(CREATE_TEAM, values);
        go(`/team/${team.id}`, `${team.name} was created. You are its admin.`);
      },
    });
    const none = "You are not in a team yet. Create one, or open the link in an invitation email.";
    return list.childElementCount === 0 ? [h("p", { class: "faint" }, none), create] : [list, more, create];
  };
}
