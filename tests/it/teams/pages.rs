//! Lists of members, teams and invitations: in pages, forwards and backwards, as fast at the end
//! as at the beginning.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, DbBackend};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;
use crate::support::statements::StatementCounter;
use crate::support::team::NO_LIMITS;

const PAGE: &str = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } \
    edges { cursor node { user { email } } } totalCount";

/// A page of a team's members.
async fn members(client: &Client, team: &str, page: Value) -> Value {
    let mut variables = page;
    variables["id"] = json!(team);
    let query = format!(
        "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {{ team(id: $id) {{ \
        members(first: $first, after: $after, last: $last, before: $before) {{ {PAGE} }} }} }}"
    );
    client.run(&query, variables).await["team"]["members"].clone()
}

fn emails(page: &Value) -> Vec<String> {
    let edges = page["edges"].as_array().unwrap().iter();
    edges
        .map(|edge| edge["node"]["user"]["email"].as_str().unwrap().to_owned())
        .collect()
}

fn flags(page: &Value) -> (bool, bool) {
    let flag = |name: &str| page["pageInfo"][name].as_bool().unwrap();
    (flag("hasPreviousPage"), flag("hasNextPage"))
}

/// Makes accounts `m1@example.com` and so on, and lets them into a team, which has one member.
async fn fill(deployment: &Deployment, team: &str, count: u32) {
    let database = deployment.database().await;
    let (id, series, team) = match database.get_database_backend() {
        DbBackend::Postgres => (
            "gen_random_uuid()",
            format!("SELECT generate_series(1, {count}) AS n"),
            format!("'{team}'"),
        ),
        _ => (
            "randomblob(16)",
            format!(
                "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s"
            ),
            format!("x'{}'", team.replace('-', "")),
        ),
    };
    let fill = [
        format!(
            "INSERT INTO users (id, email, name, is_active, is_superuser, email_verified_at,
            created_at, updated_at) SELECT {id}, 'm' || series.n || '@example.com', 'Many', true,
            false, created_at, created_at, created_at FROM ({series}) AS series,
            (SELECT created_at FROM users LIMIT 1) AS one"
        ),
        format!(
            "INSERT INTO team_members (id, team_id, user_id, role, joined_at)
            SELECT {id}, {team}, id, 'member', created_at FROM users
            WHERE name = 'Many' AND id NOT IN (SELECT user_id FROM team_members)"
        ),
        "ANALYZE".to_owned(),
    ];
    for sql in fill {
        database.execute_unprepared(&sql).await.unwrap();
    }
    database.close().await.unwrap();
}

on_both_deployments! {
    /// A list read forwards and one read backwards are the same, without gaps or doubles, and each
    /// page says what lies on either side of it.
    async fn members_are_paged_forwards_and_backwards(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let team = ada.create_team("Engines").await;
        fill(&deployment, &team, 44).await;
        let whole = members(&ada, &team, json!({ "first": 100 })).await;
        assert_eq!((flags(&whole), &whole["totalCount"]), ((false, false), &json!(45)));
        let whole = emails(&whole);
        assert_eq!(whole.iter().collect::<HashSet<_>>().len(), 45);

        let (mut forwards, mut cursor) = (Vec::new(), Value::Null);
        for n in 0..5 {
            let page = members(&ada, &team, json!({ "first": 10, "after": cursor })).await;
            assert_eq!(flags(&page), (n > 0, n < 4), "page {n}");
            let edges = page["edges"].as_array().unwrap();
            assert_eq!(page["pageInfo"]["startCursor"], edges[0]["cursor"]);
            assert_eq!(page["pageInfo"]["endCursor"], edges.last().unwrap()["cursor"]);
            cursor = page["pageInfo"]["endCursor"].clone();
            forwards.extend(emails(&page));
        }
        assert_eq!(forwards, whole);

        let (mut backwards, mut cursor) = (Vec::new(), Value::Null);
        for n in 0..5 {
            let page = members(&ada, &team, json!({ "last": 10, "before": cursor })).await;
            assert_eq!(flags(&page), (n < 4, n > 0), "page {n}");
            cursor = page["pageInfo"]["startCursor"].clone();
            backwards.splice(0..0, emails(&page));
        }
        assert_eq!(backwards, whole);

        // Between two places, from either end.
        let all = members(&ada, &team, json!({ "first": 100 })).await;
        let place = |n: usize| all["edges"][n]["cursor"].clone();
        let between = json!({ "after": place(9), "before": place(20), "first": 100 });
        assert_eq!(emails(&members(&ada, &team, between).await), whole[10..20]);
        let between = json!({ "after": place(9), "before": place(20), "last": 3 });
        assert_eq!(emails(&members(&ada, &team, between).await), whole[17..20]);
        let behind = members(&ada, &team, json!({ "after": place(44) })).await;
        assert_eq!(behind["edges"], json!([]));
        assert_eq!(behind["pageInfo"]["startCursor"], Value::Null);
    }

    /// Pages have 20 items unless asked for and at most 100; what makes no sense is refused.
    async fn page_size_is_limited(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let team = ada.create_team("Engines").await;
        fill(&deployment, &team, 120).await;
        for (page, size) in [
            (json!({}), 20),
            (json!({ "first": null, "last": null, "after": null, "before": null }), 20),
            (json!({ "first": 100 }), 100),
            (json!({ "last": 100 }), 100),
            (json!({ "first": 1 }), 1),
            (json!({ "first": 0 }), 0),
            (json!({ "last": 0 }), 0),
        ] {
            let found = members(&ada, &team, page.clone()).await;
            assert_eq!(emails(&found).len(), size, "{page}");
            assert_eq!(found["totalCount"], 121);
        }
        let lists = [
            ("{ team(id: $id) { members(ARGUMENTS) { totalCount } } }", "members"),
            ("{ team(id: $id) { invitations(ARGUMENTS) { totalCount } } }", "invitations"),
            ("{ teams(ARGUMENTS) { totalCount } team(id: $id) { id } }", "teams"),
            ("{ me { teams(ARGUMENTS) { totalCount } } team(id: $id) { id } }", "me.teams"),
        ];
        let wrong = [
            "first: 101", "last: 101", "first: -1", "last: -1", "first: 1, last: 1",
            "first: 2147483647", "after: \"\"", "after: \"x\"", "before: \"%%%\"",
            "after: \"AAAAAAAAAAAAAAAAAAAAAB\"",
        ];
        for (query, list) in lists {
            for arguments in wrong {
                let query = format!("query($id: ID!) {}", query.replace("ARGUMENTS", arguments));
                let answer = ada.post(&query, json!({ "id": team })).await;
                assert_eq!(answer.code(), "BAD_USER_INPUT", "{list}({arguments}): {}", answer.text);
            }
        }
    }

    /// A cursor is a place and nothing else: that of another list, or of an item that is gone,
    /// shows nothing of where it comes from.
    async fn a_cursor_grants_no_access(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let team = ada.create_team("Engines").await;
        fill(&deployment, &team, 30).await;
        let other = app.user("other@example.com").await;
        let theirs = other.create_team("Others").await;
        let cursor = members(&other, &theirs, json!({})).await["edges"][0]["cursor"].clone();
        let whole = emails(&members(&ada, &team, json!({ "first": 100 })).await);
        let after = emails(&members(&ada, &team, json!({ "first": 100, "after": cursor })).await);
        let before = emails(&members(&ada, &team, json!({ "last": 100, "before": cursor })).await);
        assert_eq!([before, after].concat(), whole);

        let page = members(&ada, &team, json!({ "first": 10 })).await;
        let last = page["edges"][9]["node"]["user"]["email"].as_str().unwrap().to_owned();
        if last != "ada@example.com" {
            deployment.execute(&format!("DELETE FROM users WHERE email = '{last}'")).await;
        }
        let next = json!({ "first": 100, "after": page["pageInfo"]["endCursor"] });
        assert_eq!(emails(&members(&ada, &team, next).await), whole[10..]);
    }

    /// Teams and invitations are paged in the same way.
    async fn teams_and_invitations_are_paged(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await.allow_unread_mail();
        let ada = app.user("ada@example.com").await;
        let mut team = String::new();
        for n in 0..7 {
            team = ada.create_team(&format!("Team {n}")).await;
            ada.invite(&team, "again@example.com", "MEMBER").await;
        }
        for n in 0..6 {
            ada.invite(&team, &format!("new{n}@example.com"), "MEMBER").await;
        }
        let lists = [
            ("{ teams(ARGUMENTS) { LIST } }", "node { team { name } }", "/teams"),
            ("{ me { teams(ARGUMENTS) { LIST } } }", "node { team { name } }", "/me/teams"),
            ("{ team(id: \"ID\") { invitations(ARGUMENTS) { LIST } } }", "node { email }", "/team/invitations"),
        ];
        for (query, node, at) in lists {
            let ask = async |arguments: &str| {
                let list = format!("pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} \
                    edges {{ cursor {node} }} nodes {{ __typename }} totalCount");
                let query = query.replace("ARGUMENTS", arguments).replace("LIST", &list).replace("ID", &team);
                ada.run(&query, json!({})).await.pointer(at).unwrap().clone()
            };
            let nodes = |page: &Value| -> Vec<Value> {
                page["edges"].as_array().unwrap().iter().map(|edge| edge["node"].clone()).collect()
            };
            let whole = ask("first: 100").await;
            assert_eq!((nodes(&whole).len(), &whole["totalCount"], flags(&whole)), (7, &json!(7), (false, false)));
            let first = ask("first: 4").await;
            assert_eq!((nodes(&first).len(), flags(&first)), (4, (false, true)));
            let end = first["pageInfo"]["endCursor"].as_str().unwrap();
            let rest = ask(&format!("first: 4, after: \"{end}\"")).await;
            assert_eq!((nodes(&rest).len(), flags(&rest)), (3, (true, false)));
            assert_eq!([nodes(&first), nodes(&rest)].concat(), nodes(&whole));
            let last = ask("last: 3").await;
            assert_eq!((nodes(&last), flags(&last)), (nodes(&rest), (true, false)));
        }
        assert_eq!(ada.teams().await[0].0, "Team 0");
        assert_eq!(ada.teams().await[6].0, "Team 6");
    }

    /// A team of a hundred thousand members can be read from end to end in pages. (That a later page
    /// takes no longer than the first is a matter of indexes: `database::query_plans`.)
    async fn a_hundred_thousand_members_are_paged_to_the_end(deployment: Deployment) {
        let app = deployment.start_with(NO_LIMITS).await;
        let ada = app.user("ada@example.com").await;
        let team = ada.create_team("Everybody").await;
        fill(&deployment, &team, 99_999).await;
        let query = "query($id: ID!, $after: String) { team(id: $id) { members(first: 100, after: $after) \
            { nodes { user { email } } pageInfo { hasNextPage endCursor } } } }";
        let (mut seen, mut pages, mut after) = (HashSet::new(), 0, Value::Null);
        loop {
            let data = ada.run(query, json!({ "id": team, "after": after })).await;
            pages += 1;
            let page = &data["team"]["members"];
            for node in page["nodes"].as_array().unwrap() {
                assert!(seen.insert(node["user"]["email"].as_str().unwrap().to_owned()));
            }
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        assert_eq!((seen.len(), pages), (100_000, 1000));
        let counted = ada.run("query($id: ID!) { team(id: $id) { members(first: 0) { totalCount } } }",
            json!({ "id": team })).await;
        assert_eq!(counted["team"]["members"]["totalCount"], 100_000);
    }
}

/// A page of 50 costs as many statements as a page of one, whatever is asked of its items.
#[tokio::test]
async fn a_page_of_fifty_costs_as_many_statements_as_one() {
    let deployment = Deployment::clustered().await;
    let url = deployment.variables(&[])["DATABASE_URL"].clone();
    let counter = StatementCounter::start(&url).await;
    let settings = [NO_LIMITS, &[("DATABASE_URL", counter.url.as_str())]].concat();
    // Without a worker, nobody else asks the database anything.
    let app = deployment.start_with(&settings).await.allow_unread_mail();
    let ada = app.user("ada@example.com").await;
    let team = ada.create_team("Engines").await;
    for n in 0..50 {
        ada.create_team(&format!("Team {n}")).await;
        let invited = ada
            .invite(&team, &format!("new{n}@example.com"), "MEMBER")
            .await;
        assert_eq!(invited["errors"], json!([]));
    }
    fill(&deployment, &team, 50).await;
    app.stop().await;
    let app = deployment
        .start_as(gatelodge::testing::app::Role::Serve, &settings)
        .await;
    let ada = ada.at_process(&app);
    let items = [
        "team(id: \"ID\") { members(first: SIZE) { totalCount nodes { role team { name viewerRole } \
            user { name email phone lastLoginAt } } } }",
        "team(id: \"ID\") { invitations(first: SIZE) { totalCount nodes { email invitedBy { name } } } }",
        "teams(first: SIZE) { totalCount nodes { role team { name viewerRole } user { name phone } } }",
        "me { teams(first: SIZE) { nodes { role user { name } team { name } } } }",
    ];
    for item in items {
        let mut counts = Vec::new();
        for size in ["1", "1", "50"] {
            let query = format!("{{ {} }}", item.replace("SIZE", size).replace("ID", &team));
            let mut fewest = usize::MAX;
            // Now and then the process asks whether the database is there: not at each of these.
            for _ in 0..3 {
                counter.take();
                let data = ada.run(&query, json!({})).await;
                fewest = fewest.min(counter.take());
                assert!(data.to_string().matches("\"name\"").count() >= size.parse().unwrap());
            }
            counts.push(fewest);
        }
        println!("{counts:?} statements for {item}");
        assert_eq!(counts[2], counts[1], "{item}");
    }
}
