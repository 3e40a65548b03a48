//! Why a request to a service came to nothing: an error of the SDK as a kind and a clause for a
//! person. Services' own words are kept where they say more than we know.

use super::NoRegion;
use crate::store::Kind;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use std::error::Error;
use std::time::Duration;

/// Characters of a service's own words that are repeated, at most.
const LONGEST: usize = 300;

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Cause {
    /// What there is to do about it.
    pub kind: Kind,
    /// The reason, for a person: a clause without a full stop.
    pub reason: String,
}

impl Cause {
    /// A cause of this kind.
    pub fn new(kind: Kind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }

    /// There was no answer in time.
    pub fn late(limit: Duration) -> Self {
        Self::new(Kind::Unreachable, format!("no answer within {} s", limit.as_secs_f32()))
    }

    /// Of any operation's error.
    pub fn of<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata + Error + 'static,
    {
        match &error {
            SdkError::ServiceError(service) => {
                let (answer, raw) = (service.err(), service.raw());
                if raw.status().is_success() && answer.code().is_none() {
                    let words = presentable(&innermost(answer));
                    return Self::new(Kind::Other, format!("the answer cannot be understood: {words}"));
                }
                let region = raw.headers().get("x-amz-bucket-region");
                answered(raw.status().as_u16(), answer.code(), answer.message(), region)
            }
            SdkError::ResponseError(response) => {
                let status = response.raw().status();
                if status.is_success() {
                    let reason =
                        format!("the answer cannot be understood: {}", presentable(&innermost(&error)));
                    return Self::new(Kind::Other, reason);
                }
                answered(status.as_u16(), None, None, None)
            }
            SdkError::TimeoutError(_) => Self::new(Kind::Unreachable, "no answer in time"),
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(error) => dispatch(error),
                None => Self::new(Kind::Other, innermost(&error)),
            },
            _ => construction(&error),
        }
    }
}

impl From<NoRegion> for Cause {
    fn from(error: NoRegion) -> Self {
        Self::new(Kind::Region, error.to_string())
    }
}

/// A service has answered, and meant no.
fn answered(status: u16, code: Option<&str>, message: Option<&str>, region: Option<&str>) -> Cause {
    let words = match (code, message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => format!("status {status}"),
    };
    let words = presentable(&words);
    let is = |codes: &[&str]| code.is_some_and(|code| codes.contains(&code));
    let (kind, reason) = match status {
        _ if is(&["NoSuchBucket"]) => (Kind::Missing, "there is no such bucket".to_owned()),
        _ if is(&["NoSuchKey", "NotFound"]) => (Kind::Missing, "there is no such file".to_owned()),
        _ if is(&["ResourceNotFoundException"]) => (Kind::Missing, words),
        _ if is(&["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"]) => {
            (Kind::Expired, format!("the credentials have expired ({words})"))
        }
        _ if is(&["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"])
            || is(&["InvalidSignatureException", "SignatureDoesNotMatch"])
                && message.is_some_and(is_about_the_time) =>
        {
            (Kind::Clock, format!("this machine's clock is wrong ({words})"))
        }
        _ if is(&[
            "IncompleteSignature",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidToken",
            "MissingAuthenticationToken",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ]) =>
        {
            (Kind::Credentials, format!("the credentials are not accepted ({words})"))
        }
        _ if is(&["InvalidSignatureException"]) => {
            (Kind::Credentials, format!("this machine's clock or the credentials are wrong ({words})"))
        }
        301 | 307 | 400 if region.is_some() && !is(&["InvalidRange"]) => {
            let region = presentable(region.unwrap_or_default());
            (Kind::Region, format!("the bucket is in the region {region}"))
        }
        _ if is(&[
            "PermanentRedirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
        ]) =>
        {
            (Kind::Region, format!("it is in another region ({words})"))
        }
        _ if is(&["InvalidObjectState"]) => {
            (Kind::Other, "it is archived, and has to be restored before it can be read".to_owned())
        }
        _ if is(&[
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
            "RequestLimitExceeded",
        ]) =>
        {
            (Kind::Busy, format!("the service wants fewer requests ({words})"))
        }
        _ if is(&["LimitExceededException", "OperationAbortedException", "RequestTimeout"]) => {
            (Kind::Busy, format!("the service has no room for it now ({words})"))
        }
        429 | 503 => (Kind::Busy, format!("the service is too busy ({words})")),
        401 | 403 => (Kind::Denied, format!("access is denied ({words})")),
        _ if is(&[
            "AccessDenied",
            "AccessDeniedException",
            "AllAccessDisabled",
            "NotAuthorized",
            "OptInRequired",
        ]) =>
        {
            (Kind::Denied, format!("access is denied ({words})"))
        }
        412 => (Kind::Changed, "it is another by now".to_owned()),
        404 => (Kind::Missing, format!("it is not there ({words})")),
        500.. => (Kind::Busy, format!("the service has failed ({words})")),
        413 => (Kind::Invalid, words),
        _ if code.is_some_and(is_about_the_request) => (Kind::Invalid, words),
        _ => (Kind::Other, words),
    };
    Cause { kind, reason }
}

/// Whether the words beside a signature that does not count say that it is of another time.
fn is_about_the_time(message: &str) -> bool {
    ["Signature expired", "Signature not yet current"].iter().any(|words| message.starts_with(words))
}

/// Whether a code says that the request itself is wrong, so that it will be refused as often as it is
/// made. Only codes that say so: of any other refusal it is not known whether it passes. A service
/// that speaks several protocols has the same code with and without `Exception`.
fn is_about_the_request(code: &str) -> bool {
    let code = code.strip_suffix("Exception").or(code.strip_suffix("Fault")).unwrap_or(code);
    let named = [
        "DataAlreadyAccepted",
        "InvalidFormat",
        "InvalidRequest",
        "MalformedInput",
        "MissingParameter",
        "MissingRequiredParameter",
        "Serialization",
        "Validation",
        "ValidationError",
    ];
    named.contains(&code) || code.starts_with("InvalidParameter")
}

/// The request was not sent, or its answer was not heard.
fn dispatch(error: &ConnectorError) -> Cause {
    if let Some(credentials) = find::<CredentialsError>(error) {
        return Cause::new(Kind::Credentials, credentials_reason(credentials));
    }
    let reason = presentable(&innermost(error));
    if error.is_timeout() {
        return Cause::new(Kind::Unreachable, "it cannot be connected to: no answer in time");
    }
    if error.is_user() {
        return Cause::new(Kind::Other, reason);
    }
    Cause::new(Kind::Unreachable, reason)
}

/// The request could not be made.
fn construction(error: &(dyn Error + 'static)) -> Cause {
    if let Some(credentials) = find::<CredentialsError>(error) {
        return Cause::new(Kind::Credentials, credentials_reason(credentials));
    }
    Cause::new(Kind::Other, presentable(&innermost(error)))
}

fn credentials_reason(error: &CredentialsError) -> String {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => "there are no AWS credentials".to_owned(),
        CredentialsError::ProviderTimedOut(_) => "the AWS credentials could not be had in time".to_owned(),
        error => format!("the AWS credentials cannot be had: {}", presentable(&innermost(error))),
    }
}

/// The error of type `E` among an error and its causes.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

/// What the innermost cause says, which is what the others only wrap.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let last = std::iter::successors(Some(error), |&error| error.source()).last();
    last.map_or_else(String::new, ToString::to_string)
}

/// Foreign text on one line, not too long, and without a full stop.
pub(super) fn presentable(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    clean.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_told_from_wrong_credentials() {
        let kind = |code, message| answered(403, Some(code), Some(message), None).kind;
        for code in ["InvalidSignatureException", "SignatureDoesNotMatch"] {
            let early = "Signature not yet current: 20260101T120000Z is still later than 20260101T115500Z";
            assert_eq!(kind(code, early), Kind::Clock);
            assert_eq!(kind(code, "Signature expired: 20260101T120000Z is now earlier than …"), Kind::Clock);
            let other = "The request signature we calculated does not match the signature you provided";
            assert_eq!(kind(code, other), Kind::Credentials);
        }
        for code in ["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"] {
            assert_eq!(kind(code, "words"), Kind::Clock, "{code}");
        }
        for code in ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"] {
            assert_eq!(kind(code, "words"), Kind::Expired, "{code}");
        }
    }

    #[test]
    fn only_what_is_said_to_be_wrong_with_the_request_is_taken_for_it() {
        let kind = |status, code| answered(status, Some(code), None, None).kind;
        for code in [
            "InvalidParameterValue",
            "InvalidParameterCombinationException",
            "InvalidParameterException",
            "MissingParameter",
            "MissingRequiredParameterException",
            "InvalidFormatFault",
            "ValidationError",
            "ValidationException",
            "SerializationException",
        ] {
            assert_eq!(kind(400, code), Kind::Invalid, "{code}");
        }
        assert_eq!(answered(413, None, None, None).kind, Kind::Invalid);
        assert_eq!(answered(400, None, None, None).kind, Kind::Other, "a proxy's, for example");
        assert_eq!(kind(400, "SomethingNew"), Kind::Other, "it may pass");
        assert_eq!(kind(400, "NotAuthorized"), Kind::Denied);
        assert_eq!(kind(400, "ThrottlingException"), Kind::Busy);
        assert_eq!(kind(500, "InternalServiceError"), Kind::Busy);
    }
}
