//! Verification codes: creating, mailing and checking them.

use uuid::Uuid;

use super::anomalies::Signal;
use super::limits::Limit;
use super::{Caller, Failure, Reason, ServiceError, UserError};
use crate::crypto;
use crate::db::{Tx, codes, outbox, users};
use crate::domain::clock::Timestamp;
use crate::domain::code::{Purpose, VerificationCode};
use crate::domain::email::EmailAddress;
use crate::domain::id::{InvitationId, MailId, Nonce, UserId};
use crate::domain::mail::{Mail, OutboxMail};
use crate::domain::user::{Profile, User};
use crate::telemetry::event;

/// A code that was mailed.
#[derive(Clone, Debug)]
pub struct CodeChallenge {
    pub email: EmailAddress,
    pub code_length: usize,
    pub expires_at: Timestamp,
}

/// A code or link to create, and its mail.
pub(super) struct NewCode<'a> {
    pub(super) purpose: Purpose,
    pub(super) email: &'a EmailAddress,
    /// Without a user the code can only be used to sign up.
    pub(super) user_id: Option<UserId>,
    pub(super) pending_profile: Option<Profile>,
    /// The invitation to accept once the email address is verified.
    pub(super) invitation_id: Option<InvitationId>,
    pub(super) mail: Mail,
}

impl<'a> NewCode<'a> {
    pub(super) fn new(
        purpose: Purpose,
        email: &'a EmailAddress,
        user_id: Option<UserId>,
        mail: Mail,
    ) -> Self {
        Self {
            purpose,
            email,
            user_id,
            pending_profile: None,
            invitation_id: None,
            mail,
        }
    }
}

impl Caller {
    /// Counts a request for a mail. The network is counted first, so that one over its limit cannot
    /// use up the limit of the email address.
    pub(super) async fn count_code_request(&self, email: &EmailAddress) -> Result<(), UserError> {
        self.acquire(Limit::CodeRequestsPerNetwork).await?;
        // After the limit, because each email address is remembered.
        self.record_signal(Signal::CodeRequest, email);
        Ok(self.acquire(Limit::CodeRequests(email)).await?)
    }

    /// Replaces the open code and adds its mail and `also` to the outbox.
    pub(super) async fn send_code(
        &self,
        new: NewCode<'_>,
        also: Option<OutboxMail>,
    ) -> Result<CodeChallenge, ServiceError> {
        let tx = self.0.db.begin().await?;
        let (challenge, mail) = self.write_code(&tx, new).await?;
        if let Some(also) = &also {
            outbox::insert(&tx, also).await?;
        }
        tx.commit().await?;
        for mail in std::iter::once(mail).chain(also.map(|also| also.id)) {
            self.enqueue(mail).await;
        }
        Ok(challenge)
    }

    /// Replaces the open code and adds its mail to the outbox. Enqueue the mail after the commit.
    pub(super) async fn write_code(
        &self,
        tx: &Tx,
        new: NewCode<'_>,
    ) -> Result<(CodeChallenge, MailId), ServiceError> {
        let now = self.now();
        let lifetime = match new.purpose {
            Purpose::PasswordReset => self.0.passwords.reset_lifetime,
            Purpose::Signup | Purpose::Login | Purpose::VerifyEmail | Purpose::ChangeEmail => {
                self.0.codes.lifetime
            }
        };
        let code = VerificationCode {
            id: self.new_id(),
            purpose: new.purpose,
            email: new.email.clone(),
            user_id: new.user_id,
            nonce: Nonce(crypto::random()),
            pending_profile: new.pending_profile,
            invitation_id: new.invitation_id,
            attempts: 0,
            expires_at: now + lifetime,
            used_at: None,
            superseded_at: None,
            created_at: now,
        };
        // A mail without a secret goes to someone who cannot use the code.
        let secret = new.mail.kind().secret();
        let refers_to = secret.map(|_| Uuid::from(code.id));
        let mail = self.new_mail(new.mail, new.email, code.user_id, refers_to);
        codes::supersede(tx, &code).await?;
        outbox::insert(tx, &mail).await?;
        let challenge = CodeChallenge {
            email: code.email,
            code_length: self.0.codes.length,
            expires_at: code.expires_at,
        };
        Ok((challenge, mail.id))
    }

    /// Checks a submission against the newest code for an email address, without consuming the
    /// code.
    pub(super) async fn answer_code(
        &self,
        purpose: Purpose,
        email: &EmailAddress,
        answer: &str,
    ) -> Result<VerificationCode, Failure> {
        self.acquire(Limit::WrongCodesPerNetwork).await?;
        let code = codes::find_newest(&self.0.db, purpose, email).await?;
        let submission = CodeSubmission {
            purpose,
            email,
            answer,
        };
        self.judge_answer(submission, code).await
    }

    /// Consumes a code that was submitted correctly, and returns its user.
    ///
    /// Fails if it was consumed concurrently, if the email address has no user (such a code was
    /// never mailed, so it was guessed), or if the user has changed their email address.
    pub(super) async fn consume_of_account(
        &self,
        tx: &Tx,
        code: &VerificationCode,
    ) -> Result<User, Failure> {
        if !codes::consume(tx, code.id, self.now()).await? {
            return Err(lost_race());
        }
        let user = match code.user_id {
            Some(id) => users::find(tx, id).await?,
            None => None,
        };
        user.filter(|user| user.email == code.email)
            .ok_or_else(lost_race)
    }

    /// Checks a submission. It is counted before the code is compared, so that concurrent guesses
    /// get no more attempts.
    pub(super) async fn judge_answer(
        &self,
        submission: CodeSubmission<'_>,
        code: Option<VerificationCode>,
    ) -> Result<VerificationCode, Failure> {
        let Some(code) = code else {
            self.record_signal(Signal::WrongCode, submission.email);
            return self.refuse_code(
                submission,
                Reason::InvalidCode {
                    attempts_remaining: 0,
                },
                None,
            );
        };
        let max = self.0.codes.max_attempts;
        let tried = Some((code.attempts, max));
        if code.used_at.is_some() {
            self.record_signal(Signal::DeadCode, submission.email);
            self.emit(event::UsedCodeTried {
                email: submission.email,
                purpose: submission.purpose.into(),
                attempt_number: Some(code.attempts),
                limit: Some(max),
            });
            return Err(Reason::InvalidCode {
                attempts_remaining: 0,
            }
            .at("code")
            .into());
        }
        if !code.is_live(self.now()) {
            self.record_signal(Signal::DeadCode, submission.email);
            return self.refuse_code(submission, Reason::CodeExpired, tried);
        }
        if code.attempts >= max {
            self.record_signal(Signal::WrongCode, submission.email);
            return self.refuse_code(submission, Reason::TooManyAttempts, tried);
        }
        let Some(answer) = self.0.codes.format().parse(submission.answer) else {
            self.emit(event::InvalidCodeFormat {
                email: submission.email,
                purpose: submission.purpose.into(),
                attempt_number: Some(code.attempts),
                limit: Some(max),
            });
            let attempts_remaining = max - code.attempts;
            return Err(Reason::InvalidCode { attempts_remaining }.at("code").into());
        };
        if !codes::count_attempt(&self.0.db, code.id, max).await? {
            self.record_signal(Signal::WrongCode, submission.email);
            return self.refuse_code(submission, Reason::TooManyAttempts, Some((max, max)));
        }
        if !self.0.keys.is_code(&code, self.0.codes.format(), &answer) {
            self.record_signal(Signal::WrongCode, submission.email);
            // Read again, because of concurrent answers.
            let code = codes::find(&self.0.db, code.id).await?;
            let attempts = code.map_or(max, |code| code.attempts);
            let attempts_remaining = max.saturating_sub(attempts);
            return self.refuse_code(
                submission,
                Reason::InvalidCode { attempts_remaining },
                Some((attempts, max)),
            );
        }
        self.release(Limit::WrongCodesPerNetwork).await;
        Ok(code)
    }

    /// Logs a refusal, with the attempts made and allowed where there is a code.
    fn refuse_code<T>(
        &self,
        submission: CodeSubmission<'_>,
        reason: Reason,
        attempts: Option<(u32, u32)>,
    ) -> Result<T, Failure> {
        let CodeSubmission { email, purpose, .. } = submission;
        let purpose = purpose.into();
        let (attempt_number, limit) = attempts.unzip();
        match (reason, submission.purpose) {
            (Reason::CodeExpired, _) => self.emit(event::ExpiredCodeTried {
                email,
                purpose,
                attempt_number,
                limit,
            }),
            (Reason::TooManyAttempts, _) => self.emit(event::CodeAttemptsExhausted {
                email,
                purpose,
                attempt_number,
                limit,
            }),
            (_, Purpose::Signup) => self.emit(event::SignupFailedInvalidCode {
                email,
                purpose,
                attempt_number,
                limit,
            }),
            (_, Purpose::Login) => self.emit(event::LoginFailedInvalidCode {
                email,
                purpose,
                attempt_number,
                limit,
            }),
            (_, Purpose::VerifyEmail | Purpose::ChangeEmail | Purpose::PasswordReset) => {
                self.emit(event::VerificationFailedInvalidCode {
                    email,
                    purpose,
                    attempt_number,
                    limit,
                });
            }
        }
        Err(reason.at("code").into())
    }
}

#[derive(Clone, Copy)]
pub(super) struct CodeSubmission<'a> {
    pub(super) purpose: Purpose,
    pub(super) email: &'a EmailAddress,
    pub(super) answer: &'a str,
}

/// The code was correct, but was consumed or superseded in the meantime.
pub(super) fn lost_race() -> Failure {
    Reason::InvalidCode {
        attempts_remaining: 0,
    }
    .at("code")
    .into()
}
