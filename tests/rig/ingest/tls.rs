//! A certificate authority of the test's own, and an acceptor with a certificate from it.

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A certificate with its key, and the authority that has signed it.
pub struct Identity {
    pub certificate: Certificate,
    pub key: KeyPair,
    /// The authority's certificate as PEM.
    pub authority: String,
}

/// An identity of these names.
pub fn identity(names: &[&str]) -> Identity {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();

    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    Identity { certificate, key, authority: authority.pem() }
}

/// The acceptor for these names, and the authority's certificate as PEM.
pub fn acceptor(names: &[&str]) -> (TlsAcceptor, String) {
    let Identity { certificate, key, authority } = identity(names);
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), authority)
}
