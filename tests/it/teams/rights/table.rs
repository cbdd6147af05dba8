//! What everybody gets. The columns are anonymous, an outsider, a member, an admin, a superuser.

/// Answers at the root that need no token, or only one.
const PUBLIC: [&str; 5] = ["ok"; 5];
const SIGNED_IN: [&str; 5] = ["UNAUTHENTICATED", "ok", "ok", "ok", "ok"];
const ADMINS: [&str; 5] = [
    "UNAUTHENTICATED",
    "NOT_FOUND@teamId",
    "NOT_TEAM_ADMIN@",
    "ok",
    "ok",
];
/// Answers below a team.
const TO_MEMBERS: [&str; 5] = ["UNAUTHENTICATED", "null", "ok", "ok", "ok"];
const TO_ADMINS: [&str; 5] = ["UNAUTHENTICATED", "null", "null", "ok", "ok"];
const TO_SUPERUSERS: [&str; 5] = ["UNAUTHENTICATED", "null", "null", "null", "ok"];

/// Where the fields of a type are asked for: those of `User` of somebody else.
pub(super) const PLACES: [(&str, &str, &str); 9] = [
    ("Team", "{ team(id: \"TEAM\") { FIELD } }", "/team"),
    (
        "TeamMembership",
        "{ team(id: \"TEAM\") { members { nodes { FIELD } } } }",
        "/team/members/nodes/0",
    ),
    (
        "User",
        "{ team(id: \"TEAM\") { members { nodes { user { FIELD } } } } }",
        "/team/members/nodes/0/user",
    ),
    (
        "TeamInvitation",
        "{ team(id: \"TEAM\") { invitations { nodes { FIELD } } } }",
        "/team/invitations/nodes/0",
    ),
    (
        "TeamMembershipConnection",
        "{ team(id: \"TEAM\") { members { FIELD } } }",
        "/team/members",
    ),
    (
        "TeamInvitationConnection",
        "{ team(id: \"TEAM\") { invitations { FIELD } } }",
        "/team/invitations",
    ),
    (
        "TeamMembershipEdge",
        "{ team(id: \"TEAM\") { members { edges { FIELD } } } }",
        "/team/members/edges/0",
    ),
    (
        "TeamInvitationEdge",
        "{ team(id: \"TEAM\") { invitations { edges { FIELD } } } }",
        "/team/invitations/edges/0",
    ),
    (
        "PageInfo",
        "{ team(id: \"TEAM\") { members { pageInfo { FIELD } } } }",
        "/team/members/pageInfo",
    ),
];

/// What each caller gets for a field below the root.
pub(super) fn expected_below(field: &str) -> Option<[&'static str; 5]> {
    Some(match field {
        "Team.id"
        | "Team.name"
        | "Team.description"
        | "Team.createdAt"
        | "Team.updatedAt"
        | "Team.viewerRole"
        | "Team.members"
        | "TeamMembership.id"
        | "TeamMembership.team"
        | "TeamMembership.user"
        | "TeamMembership.role"
        | "TeamMembership.joinedAt"
        | "TeamMembershipConnection.edges"
        | "TeamMembershipConnection.nodes"
        | "TeamMembershipConnection.pageInfo"
        | "TeamMembershipConnection.totalCount"
        | "TeamMembershipEdge.cursor"
        | "TeamMembershipEdge.node"
        | "PageInfo.hasNextPage"
        | "PageInfo.hasPreviousPage"
        | "PageInfo.startCursor"
        | "PageInfo.endCursor"
        | "User.id"
        | "User.email"
        | "User.name"
        | "User.firstName"
        | "User.lastName"
        | "User.createdAt" => TO_MEMBERS,
        "Team.invitations"
        | "TeamInvitation.id"
        | "TeamInvitation.email"
        | "TeamInvitation.role"
        | "TeamInvitation.invitedBy"
        | "TeamInvitation.createdAt"
        | "TeamInvitationConnection.edges"
        | "TeamInvitationConnection.nodes"
        | "TeamInvitationConnection.pageInfo"
        | "TeamInvitationConnection.totalCount"
        | "TeamInvitationEdge.cursor"
        | "TeamInvitationEdge.node"
        | "TeamInvitation.expiresAt" => TO_ADMINS,
        "User.emailVerified" | "User.hasPassword" | "User.isActive" | "User.isSuperuser"
        | "User.phone" | "User.company" | "User.updatedAt" | "User.lastLoginAt" | "User.teams" => {
            TO_SUPERUSERS
        }
        _ => return None,
    })
}

/// The document for a root field and what each caller gets. `TEAM`, `MARY`, `INVITATION`, `TOKEN`
/// and `SESSION` are those of others; `NEW` is an address without an account, another each time.
pub(super) fn expected_at_root(field: &str) -> Option<(&'static str, [&'static str; 5])> {
    let refused = |with| ["UNAUTHENTICATED", with, with, with, with];
    Some(match field {
        "me" => ("{ me { id } }", ["null", "ok", "ok", "ok", "ok"]),
        "teams" => ("{ teams { totalCount } }", SIGNED_IN),
        "team" => ("{ team(id: \"TEAM\") { id } }", TO_MEMBERS),
        "sessions" => ("{ sessions { id } }", SIGNED_IN),
        "invitation" => ("{ invitation(token: \"TOKEN\") { email } }", PUBLIC),
        "serverInfo" => ("{ serverInfo { version } }", PUBLIC),
        "requestSignupCode" => ("email: \"NEW\", name: \"New\"", PUBLIC),
        "verifySignupCode" | "verifyLoginCode" | "verifyEmail" => {
            ("email: \"NEW\", code: \"000000\"", ["INVALID_CODE@code"; 5])
        }
        "requestLoginCode" | "requestPasswordReset" => {
            ("email: \"NEW\"", ["ACCOUNT_NOT_FOUND@email"; 5])
        }
        "register" => (
            "email: \"NEW\", password: \"plover-quartz-41-dinghy\", firstName: \"A\", lastName: \"B\"",
            PUBLIC,
        ),
        "login" => (
            "email: \"NEW\", password: \"x\"",
            ["INVALID_CREDENTIALS@"; 5],
        ),
        "resetPassword" => (
            "token: \"x\", newPassword: \"plover-quartz-41-dinghy\"",
            ["INVALID_TOKEN@token"; 5],
        ),
        "changePassword" => ("newPassword: \"x\"", refused("WEAK_PASSWORD@newPassword")),
        "requestEmailVerification" | "logout" | "revokeOtherSessions" => ("", SIGNED_IN),
        "refreshSession" => ("refreshToken: \"x\"", ["INVALID_TOKEN@refreshToken"; 5]),
        "revokeSession" => ("sessionId: \"SESSION\"", refused("NOT_FOUND@sessionId")),
        "updateMe" => ("company: \"Engines\"", SIGNED_IN),
        "requestEmailChange" => ("newEmail: \"NEW\"", SIGNED_IN),
        "confirmEmailChange" => ("code: \"000000\"", refused("INVALID_CODE@code")),
        "deleteMe" => (
            "confirmEmail: \"NEW\"",
            refused("INVALID_INPUT@confirmEmail"),
        ),
        "createTeam" => ("name: \"Mine\"", SIGNED_IN),
        "updateTeam" => ("teamId: \"TEAM\", name: \"Other\"", ADMINS),
        "deleteTeam" => ("teamId: \"TEAM\"", ADMINS),
        "inviteToTeam" => ("teamId: \"TEAM\", email: \"NEW\", role: MEMBER", ADMINS),
        "acceptInvitation" => {
            let mismatch = "INVITATION_EMAIL_MISMATCH@token";
            (
                "token: \"TOKEN\"",
                ["ACCOUNT_NOT_FOUND@", mismatch, mismatch, mismatch, mismatch],
            )
        }
        "declineInvitation" => ("token: \"TOKEN\"", PUBLIC),
        "revokeInvitation" => (
            "invitationId: \"INVITATION\"",
            [
                "UNAUTHENTICATED",
                "NOT_FOUND@invitationId",
                "NOT_TEAM_ADMIN@",
                "ok",
                "ok",
            ],
        ),
        "changeMemberRole" => ("teamId: \"TEAM\", userId: \"MARY\", role: ADMIN", ADMINS),
        "removeMember" => ("teamId: \"TEAM\", userId: \"MARY\"", ADMINS),
        "leaveTeam" => (
            "teamId: \"TEAM\"",
            [
                "UNAUTHENTICATED",
                "NOT_FOUND@teamId",
                "ok",
                "ok",
                "NOT_FOUND@teamId",
            ],
        ),
        _ => return None,
    })
}
