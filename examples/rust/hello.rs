//! hello.rs - a servlet in Rust.
//!
//! What is used of modserver.h is declared here.  No panic leaves run: the
//! server is C and knows nothing of them.
//!
//!     curl 'localhost:8080/examples/rust/hello.so?name=Ada'

use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_int};
use std::panic::catch_unwind;

#[repr(C)]
pub struct Servlet {
    _private: [u8; 0],
}

extern "C" {
    fn get_arg(s: *mut Servlet, name: *const c_char) -> *const c_char;
    fn rwrite(s: *mut Servlet, buffer: *const c_char, length: usize) -> usize;
    fn rlog(s: *mut Servlet, format: *const c_char, ...);
}

/// The argument of that name, as text.
fn arg(s: *mut Servlet, name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    // Safe: s is the server's, and what it answers lives until run returns.
    let value = unsafe { get_arg(s, name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    Some(unsafe { CStr::from_ptr(value) }.to_string_lossy().into_owned())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn answer(s: *mut Servlet) -> String {
    let name = arg(s, "name").unwrap_or_else(|| "world".to_string());
    format!("Hello, {}, from Rust!\n", escaped(&name))
}

#[no_mangle]
pub extern "C" fn run(s: *mut Servlet) -> c_int {
    match catch_unwind(|| answer(s)) {
        Ok(text) => {
            unsafe { rwrite(s, text.as_ptr() as *const c_char, text.len()) };
            0
        }
        Err(_) => {
            unsafe { rlog(s, b"it panicked\0".as_ptr() as *const c_char) };
            -1
        }
    }
}
