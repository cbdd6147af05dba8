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

/** What an account sees of itself. Each part is loaded by itself, all at the same time. */
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
        await redraw("Your profile is saved.");
      },
    });
    const address = h("p", {}, "Logged in as ", h("strong", {}, me.email), ".");
    return me.emailVerified ? [address, edit] : [address, ...unproved(alert, go), edit];
  };
}

function unproved(alert, go) {
  const prove = action("Mail me a code", alert, async () => {
    await askForCode("verify");
    go("/code");
  });
  return [h("p", { class: "notice" }, "This address is not proved yet. Until then you cannot invite anyone."), prove];
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
      await redraw("Your password is saved. All other sessions have ended.");
    },
  });
  const about = me.hasPassword ? "A new one ends all other sessions." : "You can log in by code, and need none.";
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
        field({ name: "name", label: "Name of a new team" }),
        field({ name: "description", label: "What it is for" }),
      ],
      submit: "Create team",
      onSubmit: async (values) => {
        const { team } = await mutate(CREATE_TEAM, values);
        go(`/team/${team.id}`, `${team.name} is created. You are its admin.`);
      },
    });
    const none = "You are in no team. Create one, or follow the link of a mailed invitation.";
    return list.childElementCount === 0 ? [h("p", { class: "faint" }, none), create] : [list, more, create];
  };
}
