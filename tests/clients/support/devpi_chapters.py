"""What a person types after `devpi`, chapter by chapter.

Each chapter is a day's work of its own: it makes its users and indexes, so that chapters run in any order. Words in braces stand for what
differs: `{url}` the server, `{home}` the folder of files that `devpi_session.py` lays out, `{single}` a file on the server, `{token_id}`
the token that was listed last. Behind `<<` stands what is answered to a command's questions.
"""

from __future__ import annotations


def _arrive(name: str) -> list[str]:
    """A new user logs in."""
    return ["use {url}", f"user -c {name} password={name}-password", f"login {name} --password {name}-password"]


ACCOUNT = """
use {url}
--version
use
user -l
user -c mia password=mia-password email=mia@index.example
user -c mia password=other
user -c m!a password=x
user -l
login mia --password wrong
login nobody --password wrong
login mia --password mia-password
use
user mia
user -m mia title=Mia custom_data=x
user -m mia email=
user -m mia password=changed-password
user mia
passwd << mia-password mia-password
login mia --password mia-password
user -m root title=x
user -m nobody title=x
getjson /mia
logoff
logoff
use
user mia
user -m mia title=x
login mia --password mia-password
user --delete mia -y
user mia
use --delete
use
"""

INDEXES = """
index -c one
index -c one
index -c on!e
index -c nia/two bases=nia/one volatile=False
index -c bad bases=no/such
index -c bad type=foo
index -c bad foo=bar
index -c mirror type=mirror mirror_url=http://127.0.0.1:9/simple/
index -l
index one
index two
index nia/two
index two title=Two
index two acl_upload+=mia
index two acl_upload+=mia,zoe
index two acl_upload-=mia
index two acl_upload-=nobody
index two acl_upload=:ANONYMOUS:
index two mirror_whitelist=*
index two bases=
index two bases+=nia/one
index two title-=
index two volatile-=
index two foo=bar
index two type=mirror
index mirror mirror_cache_expiry=60
index mirror mirror_cache_expiry=x
index none
index none title=x
use nia/one
use
use --urls
use -l --user nia
use nia/none
use {url}/nia/two
index
index --no-projects
getjson nia/two
getjson /nia/none
patchjson /nia/two {home}/patch.json
use mirror
use --venv={home}/venv
use --venv=-
use --set-cfg
use --always-set-cfg=yes
use --always-set-cfg=no
index --delete one -y
index --delete two -y
index two bases= volatile=True
index --delete two -y
index --delete none -y
index -l
"""

UPLOADS = """
index -c low
index -c high bases=olga/low volatile=False
index -c mirror type=mirror mirror_url=http://127.0.0.1:9/simple/
list
use olga/low
list
upload {home}/none.whl
upload {home}/folder
upload --dry-run {home}/single-1.0-py3-none-any.whl
upload {home}/single-1.0-py3-none-any.whl
upload {home}/single-1.0-py3-none-any.whl
upload {home}/changed/single-1.0-py3-none-any.whl
upload --from-dir {home}/folder
upload --from-dir {home}/old
upload --only-latest --from-dir {home}/folder
upload {home}/basket-1.0.doc.zip
list
list -v
list --all -v
list basket
list --all basket
list basket==1.0
list none
list --ignore-bases single
list --index olga/high
index
use high
upload {home}/single-1.0-py3-none-any.whl
upload {home}/single-1.0-py3-none-any.whl
upload {home}/changed/single-1.0-py3-none-any.whl
upload --index low {home}/single-1.0-py3-none-any.whl
upload --index root/none {home}/single-1.0-py3-none-any.whl
upload --index mirror {home}/single-1.0-py3-none-any.whl
list
list -v
list single
list --ignore-bases single
list --ignore-bases basket
"""

REMOVALS = """
index -c low
index -c high bases=piet/low volatile=False
use piet/low
upload --from-dir {home}/folder
upload --from-dir {home}/old
use high
upload {home}/single-1.0-py3-none-any.whl
remove -y single
remove -y --index low basket==9.0
remove -y --index low basket==0.1
remove -y --index low basket>=2.0
remove -y --index low none
list --all --index low basket
remove -y -f single
list single
upload {home}/single-1.0-py3-none-any.whl
remove -y {url}{single}
remove -y -f {url}{single}
remove -y {url}{single}
list --ignore-bases single
remove -y --index low basket
list --index low
logoff
use piet/low
upload {home}/changed/single-1.0-py3-none-any.whl
remove -y single
"""

PROJECT = """
index -c soft
index -c hard volatile=False
use paul/soft
upload --no-vcs --no-isolation
upload --no-vcs --no-isolation --sdist
upload --no-vcs --no-isolation --wheel
upload --no-vcs --no-isolation --with-docs
upload --no-vcs --no-isolation --only-docs
list sample
getjson /paul/soft/sample
push sample==1.0 paul/none
push sample==9.0 paul/hard
push sample paul/hard
push none==1.0 paul/hard
push sample==1.0 root/pypi
push --no-docs --only-docs sample==1.0 paul/hard
push --only-docs sample==1.0 paul/hard
push --no-docs sample==1.0 paul/hard
push sample==1.0 paul/hard
push sample-1.0 paul/hard
push --index paul/hard sample==1.0 paul/soft
list --index paul/hard sample
getjson /paul/hard/sample
upload --no-vcs --no-isolation --index paul/hard
push --pypirc {home}/pypirc sample==1.0 pypi:other
push --pypirc {home}/pypirc sample==1.0 pypi:other
push --pypirc {home}/pypirc --register-project --no-docs sample==1.0 pypi:other
push --pypirc {home}/pypirc --only-docs sample==1.0 pypi:other
push --pypirc {home}/pypirc --register-project sample==1.0 pypi:shut
push --pypirc {home}/pypirc sample==1.0 pypi:down
push --pypirc {home}/pypirc sample==1.0 pypi:not-in-file
"""

TESTS = """
index -c ci
use rita/ci
upload {home}/single-1.0-py3-none-any.whl
upload --no-vcs --no-isolation
test --list sample
test --list none
test --select whl sample
test --select whl -e none sample
list -t sample
list -f sample
list sample
install --venv {home}/venv sample single
install --venv {home}/venv none
install --venv {home}/venv -l
refresh sample
refresh none
refresh --index root/pypi upstream-lib
refresh --index root/pypi none
"""

TOKENS = """
index -c held
use tina/held
token-list
token-create --expires never
token-create --output {home}/token --expires '3 years'
token-create --output {home}/narrow --allowed upload,pkg_read --indexes tina/held --projects single --expires '30 days'
token-list
token-inspect --file {home}/narrow
token-create --user root
token-create --indexes none --output {home}/odd
token-delete none
token-create --output {home}/token
token-derive --file {home}/token --output {home}/derived --projects single
token-login --file {home}/narrow
upload {home}/single-1.0-py3-none-any.whl
upload --from-dir {home}/folder
list
index -c more
token-list
user -m tina title=x
token-login --file {home}/derived
upload {home}/single-1.0-py3-none-any.whl
upload --from-dir {home}/folder
token-login --token devpi-wrong
login tina --password tina-password
user -m tina password=other-password
token-login --file {home}/token
use
upload --from-dir {home}/folder
login tina --password other-password
user -c twin password=twin-password
login twin --password twin-password
index -c held
token-create --output {home}/twin
token-list
token-delete {token_id}
token-list
token-login --file {home}/twin
index held title=x
"""


def _lines(text: str) -> list[str]:
    return text.strip().splitlines()


CHAPTERS = {
    "account": _lines(ACCOUNT),
    "indexes": [*_arrive("nia"), *_lines(INDEXES)],
    "uploads": [*_arrive("olga"), *_lines(UPLOADS)],
    "removals": [*_arrive("piet"), *_lines(REMOVALS)],
    "project": [*_arrive("paul"), *_lines(PROJECT)],
    "tests": [*_arrive("rita"), *_lines(TESTS)],
    "tokens": [*_arrive("tina"), *_lines(TOKENS)],
}
"""Every chapter: the commands in order."""
