//! The fields `password` and `again`, in which a new password is typed.

use crate::http::web::filled::Filled;
use crate::index::passwords::NewPassword;

/// What to do about a password that was left empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// No password opens the account.
    ShutsTheAccount,
    /// It is a mistake.
    IsWrong,
}

/// Reads them, and notes what is wrong with them.
pub fn read(form: &mut Filled, empty: Empty) -> NewPassword {
    let (password, again) = (form.text("password").to_owned(), form.text("again").to_owned());
    if password != again {
        form.wrong("again", "The two passwords are not the same.");
    }
    match (password.is_empty(), empty) {
        (true, Empty::ShutsTheAccount) => NewPassword::Nothing,
        (true, Empty::IsWrong) => {
            form.wrong("password", "A password is needed.");
            NewPassword::Nothing
        }
        (false, _) => NewPassword::Plain(password),
    }
}
