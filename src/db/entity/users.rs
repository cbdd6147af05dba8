use sea_orm::Set;
use sea_orm::entity::prelude::*;

use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::UserId;
use crate::domain::user::{Profile, User};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    pub email: EmailAddress,
    pub name: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub phone: Option<String>,
    pub company: Option<String>,
    pub is_active: bool,
    pub is_superuser: bool,
    pub email_verified_at: Option<Timestamp>,
    pub last_login_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<Model> for User {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            email: row.email,
            profile: Profile {
                name: row.name,
                first_name: row.first_name,
                last_name: row.last_name,
                phone: row.phone,
                company: row.company,
            },
            is_active: row.is_active,
            is_superuser: row.is_superuser,
            email_verified_at: row.email_verified_at,
            last_login_at: row.last_login_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<User> for ActiveModel {
    fn from(user: User) -> Self {
        Self {
            id: Set(user.id),
            email: Set(user.email),
            name: Set(user.profile.name),
            first_name: Set(user.profile.first_name),
            last_name: Set(user.profile.last_name),
            phone: Set(user.profile.phone),
            company: Set(user.profile.company),
            is_active: Set(user.is_active),
            is_superuser: Set(user.is_superuser),
            email_verified_at: Set(user.email_verified_at),
            last_login_at: Set(user.last_login_at),
            created_at: Set(user.created_at),
            updated_at: Set(user.updated_at),
        }
    }
}
