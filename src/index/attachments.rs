//! Attachments by their links: to be found, downloaded and removed.
