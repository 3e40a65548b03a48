//! Whom TLS trusts: the system's certificate authorities, or those in one file.

use std::path::{Path, PathBuf};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::{self, RootCertStore};

/// Why nobody can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of authorities that cannot be read.
    #[error("cannot read the certificate authorities in {path}: {source}\n\nhint: it has to be a PEM file")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: pem::Error,
    },
    /// An authority that is none.
    #[error("a certificate in {path} cannot be trusted: {source}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// Nobody to trust.
    #[error("no certificate authority in {from}\n\nhint: install ca-certificates, or set ca_file")]
    Nobody {
        /// Where they were looked for.
        from: String,
    },
}

/// The authorities in `ca_file`, a PEM file, or else the system's. Reads files.
pub(super) fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, Error> {
    ca_file.map_or_else(system_roots, roots_in)
}

fn system_roots() -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems carry certificates that nobody can use any more; those are passed over.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(Error::Nobody { from: format!("the system's store{why}") });
    }
    Ok(roots)
}

fn roots_in(path: &Path) -> Result<RootCertStore, Error> {
    let unreadable = |source| Error::File { path: path.to_owned(), source };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let certificate = certificate.map_err(unreadable)?;
        roots.add(certificate).map_err(|source| Error::Certificate { path: path.to_owned(), source })?;
    }
    if roots.is_empty() {
        return Err(Error::Nobody { from: path.display().to_string() });
    }
    Ok(roots)
}
