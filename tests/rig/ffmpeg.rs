//! FFmpeg as the judge: does it decode without a word, how loud is it, is it silent, is it the
//! right picture.

use std::path::Path;
use std::process::{Command, Output};

pub fn run(args: &[&str]) -> Output {
    Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner"])
        .args(args)
        .output()
        .expect("FFmpeg is installed (tests/setup)")
}

/// Decodes all of it, and fails on a single warning.
#[track_caller]
pub fn decodes_without_a_warning(path: &Path) {
    let output = run(&["-v", "warning", "-xerror", "-i", text(path), "-f", "null", "-"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{}: {said}", path.display());
}

/// Integrated loudness in LUFS.
#[track_caller]
pub fn loudness(path: &Path) -> f64 {
    let output =
        run(&["-v", "info", "-i", text(path), "-vn", "-af", "ebur128=framelog=verbose", "-f", "null", "-"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", path.display());
    let summary = said.rsplit_once("Summary:").unwrap_or_else(|| panic!("{said}")).1;
    let line = summary.lines().find_map(|line| line.trim().strip_prefix("I:")).expect("ebur128 says I:");
    line.trim().trim_end_matches(" LUFS").parse().unwrap_or_else(|e| panic!("{line}: {e}"))
}

/// Its sound as 48 kHz samples, both channels mixed to one.
#[track_caller]
pub fn samples(path: &Path) -> Vec<f32> {
    let output =
        run(&["-v", "error", "-i", text(path), "-vn", "-ac", "1", "-ar", "48000", "-f", "f32le", "-"]);
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    let bytes = output.stdout.chunks_exact(4);
    bytes.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// The longest run of samples that stay below `level` (dBFS), in seconds.
pub fn longest_silence(samples: &[f32], level: f32) -> f64 {
    let most = 10f32.powf(level / 20.0);
    let (mut longest, mut run) = (0u32, 0u32);
    for sample in samples {
        run = if sample.abs() < most { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    f64::from(longest) / 48_000.0
}

/// How like the picture `expected`, scaled to `width` × `height`, the least like of the frames is,
/// as SSIM from 0 to 1. Looks at one frame of every `every`.
#[track_caller]
pub fn least_likeness(path: &Path, expected: &Path, width: u32, height: u32, every: u32) -> f64 {
    let graph = format!(
        "[0:v]select=not(mod(n\\,{every})),setpts=N/TB,format=yuv420p[got];\
         [1:v]scale={width}:{height}:in_range=auto:out_range=tv:out_color_matrix=bt709,setsar=1,setpts=N/TB,format=yuv420p[want];\
         [got][want]ssim=stats_file=-:shortest=1"
    );
    let output = run(&[
        "-v",
        "error",
        "-i",
        text(path),
        "-loop",
        "1",
        "-i",
        text(expected),
        "-lavfi",
        &graph,
        "-an",
        "-vsync",
        "0",
        "-f",
        "null",
        "-",
    ]);
    let stats = String::from_utf8_lossy(&output.stdout);
    let all =
        stats.lines().filter_map(|l| l.split_once("All:")?.1.split_whitespace().next()?.parse::<f64>().ok());
    let least = all.reduce(f64::min);
    least.unwrap_or_else(|| panic!("{}: {}", path.display(), String::from_utf8_lossy(&output.stderr)))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the tests' own paths are UTF-8")
}
