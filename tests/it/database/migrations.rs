//! Migrations of releases that run beside each other.

use crate::support::deployment::Deployment;
use crate::support::on_both_deployments;

const EMAIL: &str = "ada@example.com";

on_both_deployments! {
    /// A release can be started again after a newer one has migrated the database: that is how an
    /// update is rolled back.
    async fn a_release_starts_on_the_schema_of_a_newer_one(deployment: Deployment) {
        let app = deployment.start().await;
        app.sign_up(EMAIL).await;
        app.stop().await;
        let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20990101_000001_newer', 0)";
        assert_eq!(deployment.execute(newer).await, 1);

        let app = deployment.start().await;
        app.log_in(EMAIL).await;
    }
}
