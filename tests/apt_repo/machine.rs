//! The real apt, in a root of its own: it knows nothing of the machine that the test runs on.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

pub struct Machine(PathBuf);

/// What Debian calls this machine's processor.
pub fn architecture() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let output = Command::new("dpkg").arg("--print-architecture").output().expect("dpkg runs");
        String::from_utf8(output.stdout).expect("a name").trim().to_owned()
    })
}

impl Machine {
    pub fn new(root: PathBuf) -> Self {
        for folder in [
            "etc/sources.list.d",
            "etc/preferences.d",
            "state/lists/partial",
            "cache/archives/partial",
            "log",
            "got",
        ] {
            fs::create_dir_all(root.join(folder)).expect("the target folder can be written");
        }
        fs::write(root.join("state/status"), "").expect("the target folder can be written");
        let conf = format!(
            "Dir \"{}\";\nDir::State \"state\";\nDir::State::status \"state/status\";\nDir::Cache \"cache\";\n\
             Dir::Etc \"etc\";\nDir::Log \"log\";\nAPT::Architecture \"{}\";\nAPT::Sandbox::User \"\";\n\
             Acquire::Retries \"0\";\nAcquire::http::Proxy \"DIRECT\";\nAcquire::Languages \"none\";\n",
            root.display(),
            architecture()
        );
        fs::write(root.join("apt.conf"), conf).expect("the target folder can be written");
        Self(root)
    }

    /// Takes over a `.sources` file.
    pub fn knows(&self, sources: &str) {
        fs::write(self.0.join("etc/sources.list.d/nonstop.sources"), sources)
            .expect("the target folder can be written");
    }

    /// `apt-get update`. Any index that apt does without is an error here.
    pub fn update(&self) -> Result<String, String> {
        self.run("apt-get", &["-o", "APT::Update::Error-Mode=any", "update"])
    }

    /// The version that `apt-get install nonstop` would install.
    pub fn candidate(&self) -> String {
        let said = self.run("apt-cache", &["policy", "nonstop"]).expect("apt knows of it");
        let line = said.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
        line.unwrap_or_else(|| panic!("no candidate:\n{said}")).to_owned()
    }

    /// Gets a version's package.
    pub fn download(&self, version: &str) -> Result<PathBuf, String> {
        self.run("apt-get", &["download", &format!("nonstop={version}")])?;
        Ok(self.0.join("got").join(format!("nonstop_{version}_{}.deb", architecture())))
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<String, String> {
        let output = Command::new(program)
            .args(args)
            .env("APT_CONFIG", self.0.join("apt.conf"))
            .env("LC_ALL", "C.UTF-8")
            .current_dir(self.0.join("got"))
            .output()
            .expect("this is a Debian, or was made one by tests/setup");
        let said = super::said(&output);
        if output.status.success() { Ok(said) } else { Err(said) }
    }
}
