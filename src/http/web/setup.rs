//! How tools are pointed at an index: what to paste where, with this index's own addresses. Pure.

/// What stands where a secret belongs, unless it is known.
pub const TOKEN: &str = "TOKEN";

/// A text to copy, and the file that it belongs into.
#[derive(Debug, PartialEq, Eq)]
pub struct Snippet {
    /// The file, or where else it goes.
    pub place: &'static str,
    /// The text.
    pub text: String,
}

/// How one tool is set up.
#[derive(Debug, PartialEq, Eq)]
pub struct Guide {
    /// The tool.
    pub tool: &'static str,
    /// What to paste.
    pub snippets: Vec<Snippet>,
}

/// What the texts are made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The whole address of the index, without a slash at its end.
    pub index: &'a str,
    /// `user/index`
    pub path: &'a str,
    /// Whether reading it needs a token.
    pub private: bool,
    /// Whether files can be uploaded to it: not to a mirror.
    pub uploads: bool,
    /// Who reads, for `devpi login`.
    pub user: &'a str,
    /// What is to stand in the place of a secret.
    pub token: &'a str,
}

impl Facts<'_> {
    fn simple(&self) -> String {
        format!("{}/+simple/", self.index)
    }

    /// The address to install from with the token in it, where a tool has no other place for one.
    fn with_token(&self) -> String {
        match self.private {
            true => self.simple().replacen("://", &format!("://__token__:{}@", self.token), 1),
            false => self.simple(),
        }
    }

    fn host(&self) -> &str {
        let rest = self.index.split_once("://").map_or(self.index, |(_, rest)| rest);
        rest.split(['/', ':']).next().unwrap_or(rest)
    }

    /// pip distrusts an address without TLS, unless it is on this machine.
    fn is_distrusted(&self) -> bool {
        self.index.starts_with("http://") && !matches!(self.host(), "localhost" | "127.0.0.1" | "[")
    }
}

fn guide(tool: &'static str, snippets: Vec<(&'static str, String)>) -> Guide {
    let snippets = snippets.into_iter().map(|(place, text)| Snippet { place, text: text.trim_matches('\n').to_owned() });
    Guide { tool, snippets: snippets.collect() }
}

/// The first lines to try: the command that installs from here, and the one that uploads.
pub fn install_command(facts: Facts<'_>, requirement: &str) -> String {
    let trusted = if facts.is_distrusted() { format!(" --trusted-host {}", facts.host()) } else { String::new() };
    format!("pip install --index-url {}{trusted} {requirement}", facts.with_token())
}

/// Every guide there is for this index.
pub fn guides(facts: Facts<'_>) -> Vec<Guide> {
    let mut all = vec![pip(facts), uv(facts), poetry(facts), pdm(facts), pipenv(facts), hatch(facts)];
    if facts.uploads {
        all.push(pypirc(facts));
    }
    all.extend([devpi(facts), github(facts), gitlab(facts)]);
    all
}

/// How the commonest tools are set up with a secret that is known. None for build servers, which keep it elsewhere.
pub fn with_secret(facts: Facts<'_>) -> Vec<Guide> {
    let facts = Facts { private: true, ..facts };
    let mut all = vec![pip(facts), uv(facts)];
    if facts.uploads {
        all.push(pypirc(facts));
    }
    all.extend([poetry(facts), pdm(facts)]);
    all
}

fn pip(facts: Facts<'_>) -> Guide {
    let trusted = if facts.is_distrusted() { format!("\ntrusted-host = {}", facts.host()) } else { String::new() };
    guide(
        "pip",
        vec![
            (
                "pip.conf (~/.config/pip/pip.conf; %APPDATA%\\pip\\pip.ini)",
                format!("[global]\nindex-url = {}{trusted}", facts.with_token()),
            ),
            ("or once, in a shell", format!("export PIP_INDEX_URL={}", facts.with_token())),
        ],
    )
}

fn uv(facts: Facts<'_>) -> Guide {
    let publish = if facts.uploads { format!("publish-url = \"{}/\"\n", facts.index) } else { String::new() };
    let entry =
        |table: &str| format!("[[{table}]]\nname = \"cheeseshop\"\nurl = \"{}\"\n{publish}default = true", facts.simple());
    let mut snippets = vec![("pyproject.toml", entry("tool.uv.index")), ("or uv.toml (~/.config/uv/uv.toml)", entry("index"))];
    if facts.private {
        snippets.push((
            "and in the shell",
            format!("export UV_INDEX_CHEESESHOP_USERNAME=__token__\nexport UV_INDEX_CHEESESHOP_PASSWORD={}", facts.token),
        ));
    }
    if facts.uploads {
        snippets.push(("to upload", format!("uv publish --index cheeseshop --token {}", facts.token)));
    }
    guide("uv", snippets)
}

fn poetry(facts: Facts<'_>) -> Guide {
    let mut snippets = vec![(
        "pyproject.toml",
        format!("[[tool.poetry.source]]\nname = \"cheeseshop\"\nurl = \"{}\"\npriority = \"primary\"", facts.simple()),
    )];
    if facts.private {
        snippets.push(("once, in a shell", format!("poetry config http-basic.cheeseshop __token__ {}", facts.token)));
    }
    if facts.uploads {
        let text = format!(
            "poetry config repositories.cheeseshop-upload {}/\npoetry config http-basic.cheeseshop-upload __token__ {}\npoetry publish --build --repository cheeseshop-upload",
            facts.index, facts.token
        );
        snippets.push(("to upload", text));
    }
    guide("Poetry", snippets)
}

fn pdm(facts: Facts<'_>) -> Guide {
    // The source named "pypi" is the one that replaces PDM's own default.
    let mut snippets = vec![(
        "pyproject.toml",
        format!(
            "[[tool.pdm.source]]\nname = \"pypi\"\nurl = \"{}\"\nverify_ssl = {}",
            facts.simple(),
            !facts.index.starts_with("http://")
        ),
    )];
    if facts.private {
        snippets
            .push(("once, in a shell", format!("pdm config pypi.username __token__\npdm config pypi.password {}", facts.token)));
    }
    if facts.uploads {
        snippets.push((
            "to upload",
            format!("pdm publish --repository {}/ --username __token__ --password {}", facts.index, facts.token),
        ));
    }
    guide("PDM", snippets)
}

fn pipenv(facts: Facts<'_>) -> Guide {
    let text = format!(
        "[[source]]\nname = \"cheeseshop\"\nurl = \"{}\"\nverify_ssl = {}",
        facts.with_token(),
        !facts.index.starts_with("http://")
    );
    guide("Pipenv", vec![("Pipfile", text)])
}

fn hatch(facts: Facts<'_>) -> Guide {
    let mut snippets = vec![(
        "in a shell, for its environments",
        format!("export PIP_INDEX_URL={}\nexport UV_DEFAULT_INDEX={}", facts.with_token(), facts.with_token()),
    )];
    if facts.uploads {
        snippets.push(("to upload", format!("hatch publish --repo {}/ --user __token__ --auth {}", facts.index, facts.token)));
    }
    guide("Hatch", snippets)
}

fn pypirc(facts: Facts<'_>) -> Guide {
    let file = format!(
        "[distutils]\nindex-servers = cheeseshop\n\n[cheeseshop]\nrepository = {}/\nusername = __token__\npassword = {}",
        facts.index, facts.token
    );
    guide(
        "twine and flit",
        vec![
            ("~/.pypirc", file),
            ("to upload", "twine upload --repository cheeseshop dist/*\n# or: flit publish --repository cheeseshop".into()),
        ],
    )
}

fn devpi(facts: Facts<'_>) -> Guide {
    let upload = if facts.uploads { "\ndevpi upload" } else { "" };
    // First the server, then the index: whoever is not signed in yet may not be shown that there is such an index.
    let server = facts.index.rsplitn(3, '/').last().unwrap_or(facts.index);
    let text = format!("devpi use {server}\ndevpi login {}\ndevpi use {}{upload}", facts.user, facts.path);
    guide("devpi", vec![("in a shell", text)])
}

fn github(facts: Facts<'_>) -> Guide {
    let secret = "${{ secrets.CHEESESHOP_TOKEN }}";
    let address = Facts { token: secret, ..facts }.with_token();
    let mut text = format!("env:\n  PIP_INDEX_URL: {address}\n  UV_DEFAULT_INDEX: {address}\n");
    if facts.uploads {
        text += &format!(
            "\n# a step that uploads\n- run: twine upload dist/*\n  env:\n    TWINE_REPOSITORY_URL: {}/\n    TWINE_USERNAME: __token__\n    TWINE_PASSWORD: {secret}\n",
            facts.index
        );
    }
    guide("GitHub Actions", vec![("a workflow; keep the token as the secret CHEESESHOP_TOKEN", text)])
}

fn gitlab(facts: Facts<'_>) -> Guide {
    let address = Facts { token: "${CHEESESHOP_TOKEN}", ..facts }.with_token();
    let mut text = format!("variables:\n  PIP_INDEX_URL: {address}\n  UV_DEFAULT_INDEX: {address}\n");
    if facts.uploads {
        text += &format!(
            "\nupload:\n  script:\n    - twine upload dist/*\n  variables:\n    TWINE_REPOSITORY_URL: {}/\n    TWINE_USERNAME: __token__\n    TWINE_PASSWORD: ${{CHEESESHOP_TOKEN}}\n",
            facts.index
        );
    }
    guide("GitLab CI", vec![(".gitlab-ci.yml; keep the token as the masked variable CHEESESHOP_TOKEN", text)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: Facts<'_> = Facts {
        index: "https://index.example/alice/dev",
        path: "alice/dev",
        private: false,
        uploads: true,
        user: "alice",
        token: TOKEN,
    };

    fn all(facts: Facts<'_>) -> String {
        written(&guides(facts))
    }

    fn written(guides: &[Guide]) -> String {
        let text = |guide: &Guide| {
            guide.snippets.iter().map(|s| format!("## {} — {}\n{}\n", guide.tool, s.place, s.text)).collect::<String>()
        };
        guides.iter().map(text).collect()
    }

    #[test]
    fn a_public_stage() {
        insta::assert_snapshot!(all(PUBLIC));
    }

    #[test]
    fn a_private_mirror() {
        insta::assert_snapshot!(all(Facts { private: true, uploads: false, ..PUBLIC }));
    }

    #[test]
    fn a_secret_that_is_known() {
        let facts = Facts { token: "cheeseshop_secret", ..PUBLIC };
        let text = written(&with_secret(facts));
        assert_eq!(text.matches("cheeseshop_secret").count(), 9, "{text}");
        assert!(!text.contains("TOKEN"), "{text}");
        let reading = written(&with_secret(Facts { uploads: false, ..facts }));
        assert!(!reading.contains("publish") && reading.contains(":cheeseshop_secret@"), "{reading}");
    }

    #[test]
    fn without_tls_pip_is_told_whom_to_trust() {
        let facts = Facts { index: "http://index.example:3141/alice/dev", ..PUBLIC };
        assert_eq!(
            install_command(facts, "app"),
            "pip install --index-url http://index.example:3141/alice/dev/+simple/ --trusted-host index.example app"
        );
        let local = Facts { index: "http://127.0.0.1:3141/alice/dev", ..PUBLIC };
        assert_eq!(install_command(local, "app"), "pip install --index-url http://127.0.0.1:3141/alice/dev/+simple/ app");
    }
}
