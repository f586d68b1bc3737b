"""The few client tests that are run on every backend: one of each thing that people do."""

SMOKE = frozenset(
    {
        "test_publish.py::test_wheel_and_sdist_are_published[twine]",
        "test_publish.py::test_wheel_and_sdist_are_published[uv]",
        "test_publish.py::test_publishing_the_same_files_again_succeeds[twine]",
        "test_publish.py::test_conflict_is_told[twine]",
        "test_install.py::test_own_and_mirrored_packages_install_together[pip]",
        "test_install.py::test_own_and_mirrored_packages_install_together[uv]",
        "test_install.py::test_pip_downloads_exactly_the_published_bytes",
        "test_mirror.py::test_file_is_fetched_once",
        "test_mirror.py::test_upstream_that_is_down_leaves_what_we_have",
        "test_private_index.py::test_everything_below_a_private_index_asks_for_credentials",
        "test_private_index.py::test_pip_with_a_token",
        "test_private_index.py::test_token_is_held_to_its_scope",
        "test_devpi_commands.py::test_commands[uploads]",
        "test_devpi_commands.py::test_commands[removals]",
        "test_lock.py::test_uv_lock_and_sync",
        "test_server.py::test_everything_survives_a_restart",
        "test_server.py::test_administration_while_it_runs",
    }
)
"""The names that pytest gives them. One that is no longer there is an error of its own."""
