import { mutate, query } from "../api.js";
import { card, entry, pagedList, roleName } from "../card.js";
import { confirmed, h, mailboxHint, moment } from "../dom.js";
import { action, field, form } from "../form.js";

const TEAM = "query Team($id: ID!) { me { id } team(id: $id) { id name description viewerRole } }";
const MEMBERS = `query Members($id: ID!, $after: String) {
  team(id: $id) {
    members(first: 20, after: $after) {
      nodes { id role joinedAt user { id name email } }
      pageInfo { hasNextPage endCursor }
    }
  }
}`;
const INVITATIONS = `query Invitations($id: ID!, $after: String) {
  team(id: $id) {
    invitations(first: 20, after: $after) {
      nodes { id email role expiresAt }
      pageInfo { hasNextPage endCursor }
    }
  }
}`;
const UPDATE = `mutation UpdateTeam($input: UpdateTeamInput!) {
  updateTeam(input: $input) { team { id } errors { ...Problem } }
}`;
const INVITE = `mutation Invite($input: InviteToTeamInput!) {
  inviteToTeam(input: $input) { membership { id } invitation { id } errors { ...Problem } }
}`;
const REVOKE = `mutation RevokeInvitation($input: RevokeInvitationInput!) {
  revokeInvitation(input: $input) { invitation { id } errors { ...Problem } }
}`;
const CHANGE_ROLE = `mutation ChangeRole($input: ChangeMemberRoleInput!) {
  changeMemberRole(input: $input) { membership { id } errors { ...Problem } }
}`;
const REMOVE = `mutation Remove($input: RemoveMemberInput!) {
  removeMember(input: $input) { removedUserId errors { ...Problem } }
}`;
const LEAVE = `mutation Leave($input: LeaveTeamInput!) {
  leaveTeam(input: $input) { leftTeamId errors { ...Problem } }
}`;
const DELETE = `mutation Delete($input: DeleteTeamInput!) {
  deleteTeam(input: $input) { deletedTeamId errors { ...Problem } }
}`;

/** A team: its members and, for admins, its settings. */
export async function team({ argument, go }) {
  const { me, team: found } = await query(TEAM, { id: argument ?? "" });
  if (found === null) {
    const back = h("a", { href: "#/dashboard" }, "Back to your teams");
    return { title: "Team not found", content: [h("p", {}, "It was deleted, or you are not a member. "), h("p", {}, back)] };
  }
  const context = { team: found, me, go, isAdmin: found.viewerRole === "ADMIN" };
  const parts = [card("Members", members(context))];
  if (context.isAdmin) {
    parts.push(card("Invitations", invitations(context)), card("Name and description", about(context)));
  }
  parts.push(card("Leave", leaving(context)));
  return {
    title: found.name,
    isWide: true,
    content: [
      ...(found.description ? [h("p", { class: "faint" }, found.description)] : []),
      h("div", { class: "cards" }, ...(await Promise.all(parts))),
    ],
  };
}

function members({ team, me, isAdmin, go }) {
  return ({ redraw, alert }) => {
    const teamId = team.id;
    const fetchPage = async (after) => (await query(MEMBERS, { id: teamId, after })).team.members;
    const changeRole = async ({ role, user }) => {
      const other = role === "ADMIN" ? "MEMBER" : "ADMIN";
      await mutate(CHANGE_ROLE, { teamId, userId: user.id, role: other });
      // Someone who is no longer an admin sees less of the page.
      if (user.id === me.id) {
        go(`/team/${teamId}`, "You are now a member.");
      } else {
        await redraw(`${user.name} is now ${other === "ADMIN" ? "an admin" : "a member"}.`);
      }
    };
    const remove = async ({ user }) => {
      if (await confirmed(`Remove ${user.name} from ${team.name}?`, "Remove")) {
        await mutate(REMOVE, { teamId, userId: user.id });
        await redraw(`${user.name} was removed.`);
      }
    };
    return pagedList("Members", alert, fetchPage, (member) => {
      const { role, user } = member;
      const isMe = user.id === me.id;
      const turn = role === "ADMIN" ? "Make member" : "Make admin";
      const buttons = [
        action(turn, alert, () => changeRole(member), { "aria-label": `${turn}: ${user.name}` }),
        isMe ? null : action("Remove", alert, () => remove(member), { "aria-label": `Remove ${user.name}` }),
      ];
      return [
        entry(isMe ? `${user.name} (you)` : user.name, user.email),
        h("span", { class: "badge" }, roleName(role)),
        isAdmin ? h("div", { class: "row" }, ...buttons.filter(Boolean)) : "",
      ];
    });
  };
}

function invitations({ team, go }) {
  return async ({ redraw, alert }) => {
    const fetchPage = async (after) => (await query(INVITATIONS, { id: team.id, after })).team.invitations;
    const [list, more] = await pagedList("Invitations", alert, fetchPage, ({ id, email, role, expiresAt }) => {
      const revoke = async () => {
        await mutate(REVOKE, { invitationId: id });
        await redraw("The invitation was revoked.");
      };
      return [
        entry(email, "until ", moment(expiresAt)),
        h("span", { class: "badge" }, roleName(role)),
        action("Revoke", alert, revoke, { "aria-label": `Revoke the invitation for ${email}` }),
      ];
    });
    const roles = [
      ["MEMBER", "Member"],
      ["ADMIN", "Admin"],
    ];
    const invite = form({
      fields: [
        field({ name: "email", label: "Email address to invite", type: "email", autocomplete: "off" }),
        field({ name: "role", label: "Role", options: roles }),
      ],
      submit: "Invite",
      onSubmit: async (values) => {
        const { membership } = await mutate(INVITE, { teamId: team.id, ...values });
        if (membership) {
          go(`/team/${team.id}`, `${values.email} already has an account and is now a member.`);
        } else {
          await redraw(`${values.email} was invited.`);
        }
      },
    });
    const hint = list.childElementCount > 0 && mailboxHint("the invitation");
    const none = h("p", { class: "faint" }, "No pending invitations.");
    return [list.childElementCount > 0 ? list : none, more, ...(hint ? [hint] : []), invite];
  };
}

function about({ team, go }) {
  return () => {
    const edit = form({
      fields: [
        field({ name: "name", label: "Name", value: team.name }),
        field({ name: "description", label: "Description", value: team.description }),
      ],
      submit: "Save team",
      onSubmit: async (values) => {
        await mutate(UPDATE, { teamId: team.id, ...values });
        go(`/team/${team.id}`, "The team was saved.");
      },
    });
    return [edit];
  };
}

function leaving({ team, isAdmin, go }) {
  return ({ alert }) => {
    const input = { teamId: team.id };
    const leave = action("Leave team", alert, async () => {
      if (await confirmed(`Leave ${team.name}?`, "Leave")) {
        await mutate(LEAVE, input);
        go("/dashboard", `You left ${team.name}.`);
      }
    });
    const remove = action(
      "Delete team",
      alert,
      async () => {
        if (await confirmed(`Delete ${team.name} and all its memberships?`, "Delete")) {
          await mutate(DELETE, input);
          go("/dashboard", `${team.name} was deleted.`);
        }
      },
      { class: "danger" },
    );
    return [h("div", { class: "row" }, leave, isAdmin ? remove : null)];
  };
}
