//! Where mails go that are only pretended to be sent: a bounded list in memory, newest last.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::clock::Timestamp;
use super::id::MailId;
use super::mail::RenderedMail;

/// How many mails are kept; the oldest make room.
const CAPACITY: usize = 500;

/// A mail that the mock provider took.
#[derive(Clone, Debug)]
pub struct DeliveredMail {
    /// When it was taken.
    pub at: Timestamp,
    /// The mail.
    pub mail: RenderedMail,
}

/// The mails of the mock provider. Clones share their content.
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    mails: Arc<Mutex<VecDeque<DeliveredMail>>>,
}

impl Mailbox {
    /// Adds a mail, and drops the oldest if the mailbox is full.
    pub fn deliver(&self, at: Timestamp, mail: RenderedMail) {
        let mut mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        if mails.len() == CAPACITY {
            mails.pop_front();
        }
        mails.push_back(DeliveredMail { at, mail });
    }

    /// Every mail, oldest first.
    pub fn mails(&self) -> Vec<DeliveredMail> {
        let mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        mails.iter().cloned().collect()
    }

    /// One mail, if it is still kept.
    pub fn find(&self, id: MailId) -> Option<DeliveredMail> {
        let mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        mails
            .iter()
            .find(|delivered| delivered.mail.id == id)
            .cloned()
    }
}
