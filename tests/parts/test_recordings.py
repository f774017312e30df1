"""Where what is recorded comes from."""

from tests.recordings import HERE


def test_of_every_recorded_body_its_source_is_told() -> None:
    told = (HERE / "README.md").read_text()
    files = [path for path in HERE.glob("*/*") if path.is_file()]
    assert len(files) > 100
    assert not [
        one.name for one in files if f"`{one.name}`" not in told and f"{one.parent.name}/{one.name}" not in told
    ]
