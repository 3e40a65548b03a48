//! What Linux knows of a TCP connection and no safe interface tells: how much of what was written
//! the peer has acknowledged. The only unsafe code of publishing.

use std::io;
use std::mem::{self, MaybeUninit, offset_of};
use std::os::fd::{AsFd, AsRawFd};

/// Bytes that the peer has acknowledged since the connection was asked for, the opening SYN
/// (which counts as one) included. From `TCP_INFO`, Linux 4.2.
#[allow(unsafe_code)]
pub(super) fn bytes_acked(socket: &impl AsFd) -> io::Result<u64> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut len = mem::size_of::<libc::tcp_info>() as libc::socklen_t;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: `fd` is open, since it is borrowed; `info` is writable for `len` bytes, and the kernel
    // writes no more than `len`, which it sets to what it wrote.
    let result = unsafe {
        libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut len)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let needed = offset_of!(libc::tcp_info, tcpi_bytes_acked) + mem::size_of::<u64>();
    if (len as usize) < needed {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel does not count acknowledged bytes",
        ));
    }
    // SAFETY: `tcp_info` is made of integers only, for which every bit pattern (zeroed where the
    // kernel wrote nothing) is a value.
    Ok(unsafe { info.assume_init() }.tcpi_bytes_acked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn what_the_peers_kernel_has_is_acknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut peer = listener.accept().unwrap().0;
        let before = bytes_acked(&socket).unwrap();
        socket.write_all(&[7; 5_000]).unwrap();
        // The peer's answer cannot come before its acknowledgement of what it answers to.
        peer.read_exact(&mut [0; 5_000]).unwrap();
        peer.write_all(&[1]).unwrap();
        socket.read_exact(&mut [0]).unwrap();
        assert_eq!(bytes_acked(&socket).unwrap() - before, 5_000);
    }
}
