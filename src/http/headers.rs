//! Names of headers that no library knows. Made once: a name that is given as text is read, looked up and copied each time that it is
//! set, which costs more than to find a page in memory.

use axum::http::HeaderName;

/// How this server and its clients call a request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The serial of the last change of a page, as on PyPI.
pub const LAST_SERIAL: HeaderName = HeaderName::from_static("x-pypi-last-serial");
/// How devpi's client signs in.
pub const DEVPI_AUTH: HeaderName = HeaderName::from_static("x-devpi-auth");
/// What devpi's client may expect of the protocol.
pub const DEVPI_API_VERSION: HeaderName = HeaderName::from_static("x-devpi-api-version");
/// The version of devpi-server that this is compatible with.
pub const DEVPI_SERVER_VERSION: HeaderName = HeaderName::from_static("x-devpi-server-version");
/// The serial up to which this node has followed the journal.
pub const DEVPI_SERIAL: HeaderName = HeaderName::from_static("x-devpi-serial");
/// This installation, by the names of several versions of devpi.
pub const DEVPI_UUIDS: [HeaderName; 3] = [
    HeaderName::from_static("x-devpi-uuid"),
    HeaderName::from_static("x-devpi-master-uuid"),
    HeaderName::from_static("x-devpi-primary-uuid"),
];
