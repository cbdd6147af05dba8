//! Codes: created, mailed and checked, for every purpose.

use uuid::Uuid;

use super::limits::RateLimitKey;
use super::suspicion::Signal;
use super::{Failure, Reason, ServiceError, Services, UserError};
use crate::crypto;
use crate::db::{Tx, codes, outbox, users};
use crate::domain::clock::Timestamp;
use crate::domain::code::{Purpose, VerificationCode};
use crate::domain::email::EmailAddress;
use crate::domain::id::{InvitationId, MailId, Nonce, UserId};
use crate::domain::mail::{Mail, OutboxMail};
use crate::domain::operation::OperationContext;
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

impl Services {
    /// Counts a request for a mail. The network is counted first, so that one over its limit cannot
    /// use up the limit of the email address.
    pub(super) async fn count_code_request(
        &self,
        ctx: &OperationContext,
        email: &EmailAddress,
    ) -> Result<(), UserError> {
        self.acquire(ctx, self.code_requests_per_network(), RateLimitKey::Network)
            .await?;
        // After the limit, because each email address is remembered.
        self.record_signal(ctx, Signal::CodeRequest, email);
        self.acquire(
            ctx,
            self.code_requests_per_address(),
            RateLimitKey::Email(email),
        )
        .await?;
        Ok(())
    }

    /// Replaces the open code and adds its mail and `also` to the outbox.
    pub(super) async fn send_code(
        &self,
        ctx: &OperationContext,
        new: NewCode<'_>,
        also: Option<OutboxMail>,
    ) -> Result<CodeChallenge, ServiceError> {
        let tx = self.0.db.begin().await?;
        let (challenge, mail) = self.write_code(ctx, &tx, new).await?;
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
        ctx: &OperationContext,
        tx: &Tx,
        new: NewCode<'_>,
    ) -> Result<(CodeChallenge, MailId), ServiceError> {
        let now = ctx.now();
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

    /// Checks an answer to the newest code for an email address, without consuming the code.
    pub(super) async fn answer_code(
        &self,
        ctx: &OperationContext,
        purpose: Purpose,
        email: &EmailAddress,
        answer: &str,
    ) -> Result<VerificationCode, Failure> {
        self.count_answer(ctx).await?;
        let code = codes::find_newest(&self.0.db, purpose, email).await?;
        self.judge_answer(
            ctx,
            CodeSubmission {
                purpose,
                email,
                answer,
            },
            code,
        )
        .await
    }

    /// Consumes a code that was submitted correctly, and returns its user.
    ///
    /// Refused if somebody else used it up first. So is a code for an address that has no account,
    /// which was never mailed and can only have been guessed, and one for the address that the
    /// account had before.
    pub(super) async fn consume_of_account(
        &self,
        ctx: &OperationContext,
        tx: &Tx,
        code: &VerificationCode,
    ) -> Result<User, Failure> {
        if !codes::consume(tx, code.id, ctx.now()).await? {
            return Err(lost_race());
        }
        let user = match code.user_id {
            Some(id) => users::find(tx, id).await?,
            None => None,
        };
        user.filter(|user| user.email == code.email)
            .ok_or_else(lost_race)
    }

    /// Counts an answer from a network; uncounted if it is correct.
    pub(super) async fn count_answer(&self, ctx: &OperationContext) -> Result<(), UserError> {
        let rule = self.wrong_codes_per_network();
        Ok(self.acquire(ctx, rule, RateLimitKey::Network).await?)
    }

    /// Checks an answer to a code. Every answer is counted before it is compared, so concurrent
    /// guesses get no more attempts.
    pub(super) async fn judge_answer(
        &self,
        ctx: &OperationContext,
        submission: CodeSubmission<'_>,
        code: Option<VerificationCode>,
    ) -> Result<VerificationCode, Failure> {
        let Some(code) = code else {
            self.record_signal(ctx, Signal::WrongCode, submission.email);
            return submission.refuse(
                ctx,
                Reason::InvalidCode {
                    attempts_remaining: 0,
                },
                None,
            );
        };
        let max = self.0.codes.max_attempts;
        let tried = Some((code.attempts, max));
        if code.used_at.is_some() {
            self.record_signal(ctx, Signal::DeadCode, submission.email);
            ctx.emit(event::UsedCodeTried {
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
        if !code.is_live(ctx.now()) {
            self.record_signal(ctx, Signal::DeadCode, submission.email);
            return submission.refuse(ctx, Reason::CodeExpired, tried);
        }
        if code.attempts >= max {
            self.record_signal(ctx, Signal::WrongCode, submission.email);
            return submission.refuse(ctx, Reason::TooManyAttempts, tried);
        }
        let Some(answer) = self.0.codes.format().parse(submission.answer) else {
            ctx.emit(event::InvalidCodeFormat {
                email: submission.email,
                purpose: submission.purpose.into(),
                attempt_number: Some(code.attempts),
                limit: Some(max),
            });
            let attempts_remaining = max - code.attempts;
            return Err(Reason::InvalidCode { attempts_remaining }.at("code").into());
        };
        if !codes::count_attempt(&self.0.db, code.id, max).await? {
            self.record_signal(ctx, Signal::WrongCode, submission.email);
            return submission.refuse(ctx, Reason::TooManyAttempts, Some((max, max)));
        }
        if !self.0.keys.is_code(&code, self.0.codes.format(), &answer) {
            self.record_signal(ctx, Signal::WrongCode, submission.email);
            // Read again, because of concurrent answers.
            let code = codes::find(&self.0.db, code.id).await?;
            let attempts = code.map_or(max, |code| code.attempts);
            let attempts_remaining = max.saturating_sub(attempts);
            return submission.refuse(
                ctx,
                Reason::InvalidCode { attempts_remaining },
                Some((attempts, max)),
            );
        }
        self.release(ctx, self.wrong_codes_per_network(), RateLimitKey::Network)
            .await;
        Ok(code)
    }
}

#[derive(Clone, Copy)]
pub(super) struct CodeSubmission<'a> {
    pub(super) purpose: Purpose,
    pub(super) email: &'a EmailAddress,
    pub(super) answer: &'a str,
}

impl CodeSubmission<'_> {
    /// Logs a refusal, with the attempts made and allowed where there is a code.
    fn refuse<T>(
        self,
        ctx: &OperationContext,
        reason: Reason,
        attempts: Option<(u32, u32)>,
    ) -> Result<T, Failure> {
        let Self { email, purpose, .. } = self;
        let purpose = purpose.into();
        let (attempt_number, limit) = attempts.unzip();
        match (reason, self.purpose) {
            (Reason::CodeExpired, _) => ctx.emit(event::ExpiredCodeTried {
                email,
                purpose,
                attempt_number,
                limit,
            }),
            (Reason::TooManyAttempts, _) => ctx.emit(event::CodeAttemptsExhausted {
                email,
                purpose,
                attempt_number,
                limit,
            }),
            (_, Purpose::Signup) => ctx.emit(event::SignupFailedInvalidCode {
                email,
                purpose,
                attempt_number,
                limit,
            }),
            (_, Purpose::Login) => ctx.emit(event::LoginFailedInvalidCode {
                email,
                purpose,
                attempt_number,
                limit,
            }),
            (_, Purpose::VerifyEmail | Purpose::ChangeEmail | Purpose::PasswordReset) => {
                ctx.emit(event::VerificationFailedInvalidCode {
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

/// The code was correct, but was consumed or superseded in the meantime.
pub(super) fn lost_race() -> Failure {
    Reason::InvalidCode {
        attempts_remaining: 0,
    }
    .at("code")
    .into()
}
