//! Passwords of the previous release, which stores them in `users.password_hash`: triggers keep the
//! column and the table `credentials` equal, so both releases can run at the same time.

use gatelodge::testing::db::Db;
use serde_json::json;

use crate::support::client::assert_error;
use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;

const ADA: &str = "ada@example.com";
const GRACE: &str = "grace@example.com";
const PASSWORD: &str = "violet kettle 43";
const OTHER_PASSWORD: &str = "seven stairs 44";

/// The password hash of a user in the column of the previous release, and the one in `credentials`.
async fn stored(deployment: &Deployment, email: &str) -> (Option<String>, Option<String>) {
    let column = format!("SELECT password_hash FROM users WHERE email = '{email}'");
    let credential = format!(
        "SELECT max(data) FROM credentials WHERE kind = 'password'
        AND user_id = (SELECT id FROM users WHERE email = '{email}')"
    );
    (
        deployment.value(&column).await,
        deployment.value(&credential).await,
    )
}

fn hash(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

on_both_deployments! {
    /// What the previous release writes counts in this one.
    async fn passwords_set_by_the_previous_release_are_seen(deployment: Deployment) {
        let app = deployment.start().await;
        app.register_verified(ADA, PASSWORD).await;
        let set = format!("UPDATE users SET password_hash = '{}'", hash(OTHER_PASSWORD));
        assert_eq!(deployment.execute(&set).await, 1);
        assert_error(&app.login(ADA, PASSWORD).await, "INVALID_CREDENTIALS", "");
        let ada = app.password_login(ADA, OTHER_PASSWORD).await;

        deployment.execute("UPDATE users SET password_hash = NULL").await;
        assert_eq!(stored(&deployment, ADA).await, (None, None));
        assert_error(&app.login(ADA, OTHER_PASSWORD).await, "INVALID_CREDENTIALS", "");
        let client = app.with_token(&ada.access);
        let me = client.run("{ me { hasPassword } }", json!({})).await;
        assert_eq!(me["me"], json!({ "hasPassword": false }));

        // It registers another user.
        let id = if deployment.redis.is_some() { "gen_random_uuid()" } else { "randomblob(16)" };
        let insert = format!(
            "INSERT INTO users (id, email, password_hash, name, is_active, is_superuser,
                email_verified_at, created_at, updated_at)
            SELECT {id}, '{GRACE}', '{}', 'Grace', is_active, is_superuser, email_verified_at,
                created_at, updated_at FROM users",
            hash(PASSWORD),
        );
        assert_eq!(deployment.execute(&insert).await, 1);
        app.password_login(GRACE, PASSWORD).await;
        deployment.execute("DELETE FROM users").await;
        assert_eq!(deployment.count("credentials").await, 0);
    }

    /// What this release writes counts in the previous one.
    async fn passwords_set_by_this_release_are_seen_by_the_previous(deployment: Deployment) {
        let app = deployment.start().await.allow_unread_mail();
        app.register(ADA, PASSWORD).await;
        let (column, credential) = stored(&deployment, ADA).await;
        assert!(column.is_some());
        assert_eq!(column, credential);

        // Verifying the email address by a code drops the password.
        let ada = app.log_in(ADA).await;
        assert_eq!(stored(&deployment, ADA).await, (None, None));
        let client = app.with_token(&ada.access);
        client.change_password(None, PASSWORD).await;
        let first = stored(&deployment, ADA).await;
        assert!(first.0.is_some());
        assert_eq!(first.0, first.1);
        client.change_password(Some(PASSWORD), OTHER_PASSWORD).await;
        let second = stored(&deployment, ADA).await;
        assert_eq!(second.0, second.1);
        assert_ne!(first, second);
        app.password_login(ADA, OTHER_PASSWORD).await;
        let used = "credentials WHERE last_used_at IS NOT NULL";
        assert_eq!(deployment.count(used).await, 1);
    }

    /// The migration copies existing passwords, and reverting it keeps them.
    async fn existing_passwords_survive_the_migration_both_ways(deployment: Deployment) {
        let app = deployment.start().await;
        app.register_verified(ADA, PASSWORD).await;
        app.sign_up(GRACE).await;
        app.stop().await;
        let (column, _) = stored(&deployment, ADA).await;

        let db = Db::connect(&deployment.config(&[]).database).await.unwrap();
        db.migrate_down(1).await.unwrap();
        let kept = format!("SELECT password_hash FROM users WHERE email = '{ADA}'");
        assert_eq!(deployment.value::<Option<String>>(&kept).await, column);
        let set = format!("UPDATE users SET password_hash = '{}' WHERE email = '{ADA}'", hash(OTHER_PASSWORD));
        assert_eq!(deployment.execute(&set).await, 1);

        db.migrate_up().await.unwrap();
        db.close().await.unwrap();
        let app = deployment.start().await;
        assert_eq!(deployment.count("credentials").await, 1);
        assert_error(&app.login(ADA, PASSWORD).await, "INVALID_CREDENTIALS", "");
        app.password_login(ADA, OTHER_PASSWORD).await;
        assert_error(&app.login(GRACE, OTHER_PASSWORD).await, "INVALID_CREDENTIALS", "");
        // Sessions of the previous release have no method.
        assert_eq!(deployment.count("sessions WHERE method IS NULL").await, 1);
        assert_eq!(deployment.count("sessions WHERE method = 'password'").await, 1);
    }
}
