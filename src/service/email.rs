//! Verifying and changing email addresses.

use super::codes::{CodeSubmission, NewCode, lost_race};
use super::limits::Limit;
use super::sign_in::EarlierCredentials;
use super::{Caller, CodeChallenge, Failure, Reason, Services};
use crate::db::users::{self, Field};
use crate::db::{DbError, codes, outbox};
use crate::domain::code::Purpose;
use crate::domain::email::EmailAddress;
use crate::domain::mail::{ChangeStatus, Mail, OutboxMail};
use crate::domain::user::User;
use crate::telemetry::event;

impl Caller {
    /// Mails a code to verify the email address of the signed-in user.
    pub async fn request_email_verification(&self) -> Result<CodeChallenge, Failure> {
        let user = self.own_account().await?;
        self.count_code_request(&user.email).await?;
        // A new code inherits the invitation that the user registered with.
        let purpose = Purpose::VerifyEmail;
        let older = codes::find_newest_of_user(&self.0.db, purpose, user.id).await?;
        let name = user.profile.name;
        let code = NewCode {
            invitation_id: older.and_then(|code| code.invitation_id),
            ..NewCode::new(
                purpose,
                &user.email,
                Some(user.id),
                Mail::VerifyEmail { name },
            )
        };
        Ok(self.send_code(code, None).await?)
    }

    /// Verifies the email address of a user who registered with a password. The password is kept,
    /// because the mail mentions it.
    pub async fn verify_email(&self, email: &str, code: &str) -> Result<User, Failure> {
        let email = EmailAddress::parse(email)?;
        let code = self.answer_code(Purpose::VerifyEmail, &email, code).await?;
        let tx = self.0.db.begin().await?;
        self.hold_invited_team(&tx, code.invitation_id).await?;
        let mut user = self.consume_of_account(&tx, &code).await?;
        self.verify_email_address(&tx, &mut user, EarlierCredentials::Keep)
            .await?;
        self.join_by_signup(&tx, code.invitation_id, &user).await?;
        tx.commit().await?;
        self.emit(event::EmailVerified {
            email: &email,
            user_id: user.id,
        });
        Ok(user)
    }

    /// Mails a code to the new email address of the signed-in user, and a notice to the old one.
    ///
    /// If the new email address has a user: [`Reason::EmailTaken`], or with
    /// `ACCOUNT_EXISTENCE_HINTS` off the usual response after the same work, and a mail that explains
    /// it.
    pub async fn request_email_change(&self, new_email: &str) -> Result<CodeChallenge, Failure> {
        let new_email =
            EmailAddress::parse(new_email).map_err(|_| Reason::InvalidEmail.at("newEmail"))?;
        let user = self.own_account().await?;
        self.count_code_request(&new_email).await?;
        // The old email address gets a mail too.
        self.acquire(Limit::CodeRequests(&user.email)).await?;
        let taken = users::find_by_email(&self.0.db, &new_email)
            .await?
            .is_some();
        if taken && self.0.codes.existence_hints {
            return Err(Reason::EmailTaken.at("newEmail").into());
        }
        let notice = self.change_notice(&user, &new_email, ChangeStatus::Requested);
        let name = user.profile.name;
        let mail = if taken {
            Mail::AccountExists { name }
        } else {
            Mail::ChangeEmail { name }
        };
        let code = NewCode::new(Purpose::ChangeEmail, &new_email, Some(user.id), mail);
        let challenge = self.send_code(code, Some(notice)).await?;
        self.emit(event::EmailChangeRequested {
            email: &new_email,
            user_id: user.id,
        });
        Ok(challenge)
    }

    /// Changes the email address of the signed-in user to the one that the code was mailed to, and
    /// notifies the old one.
    pub async fn confirm_email_change(&self, code: &str) -> Result<User, Failure> {
        let user = self.own_account().await?;
        self.acquire(Limit::WrongCodesPerNetwork).await?;
        let purpose = Purpose::ChangeEmail;
        let found = codes::find_newest_of_user(&self.0.db, purpose, user.id).await?;
        let email = found
            .as_ref()
            .map_or(&user.email, |code| &code.email)
            .clone();
        let submission = CodeSubmission {
            purpose,
            email: &email,
            answer: code,
        };
        let code = self.judge_answer(submission, found).await?;
        let now = self.now();
        let notice = self.change_notice(&user, &email, ChangeStatus::Changed);
        let tx = self.0.db.begin().await?;
        if !codes::consume(&tx, code.id, now).await? {
            return Err(lost_race());
        }
        // Codes sent to the old email address no longer work.
        codes::supersede_all_of_user(&tx, user.id, now).await?;
        let user = User {
            email,
            email_verified_at: Some(now),
            updated_at: now,
            ..user
        };
        match users::update(&tx, &user, &[Field::Email, Field::EmailVerifiedAt]).await {
            Err(DbError::Conflict(_)) => return Err(Reason::EmailTaken.into()),
            changed => changed?,
        }
        outbox::insert(&tx, &notice).await?;
        tx.commit().await?;
        self.enqueue(notice.id).await;
        self.emit(event::EmailChanged {
            email: &user.email,
            user_id: user.id,
        });
        Ok(user)
    }
}

impl Services {
    /// A mail to the old email address of a user.
    fn change_notice(
        &self,
        user: &User,
        new_email: &EmailAddress,
        happened: ChangeStatus,
    ) -> OutboxMail {
        let mail = Mail::EmailChanged {
            name: user.profile.name.clone(),
            new_email: new_email.as_str().to_owned(),
            happened,
        };
        self.new_mail(mail, &user.email, Some(user.id), None)
    }
}
