//! One map from our codes to SQLSTATEs (PostgreSQL documentation, appendix "PostgreSQL Error Codes").

use penstock_domain::Code;

/// The SQLSTATE that says to a PostgreSQL client what `code` says to others.
#[must_use]
pub const fn sqlstate(code: Code) -> &'static str {
    match code {
        Code::Unauthenticated => "28000", // invalid_authorization_specification
        Code::Forbidden | Code::TargetDenied => "42501", // insufficient_privilege
        Code::NotFound => "3D000",        // invalid_catalog_name
        Code::Conflict => "55000",        // object_not_in_prerequisite_state
        Code::Limited => "53300",         // too_many_connections
        Code::AgentOffline => "57P03",    // cannot_connect_now
        Code::UpstreamUnreachable | Code::UpstreamTls => "08001", // sqlclient_unable_to_establish_sqlconnection
        Code::UpstreamLogin => "08004", // sqlserver_rejected_establishment_of_sqlconnection
        Code::UpstreamTimeout | Code::Lost => "08006", // connection_failure
        Code::Malformed => "08P01",     // protocol_violation
        Code::Recorder => "58030",      // io_error
        Code::Killed | Code::Expired | Code::Draining => "57P01", // admin_shutdown
        Code::Internal => "XX000",      // internal_error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_can_tell_refusals_apart() {
        assert_eq!(sqlstate(Code::Unauthenticated), "28000");
        assert_eq!(sqlstate(Code::Forbidden), "42501");
        assert_eq!(sqlstate(Code::AgentOffline), "57P03");
        assert_eq!(sqlstate(Code::Killed), "57P01");
    }
}
