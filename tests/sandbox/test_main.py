from pathlib import Path

import pytest

from tillhouse.sandbox import __main__ as entry


def test_a_state_file_that_is_none_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "sandbox.db"
    state.write_text("not a database, and long enough to be told apart from an empty file" * 20)
    monkeypatch.setattr("sys.argv", ["tillhouse.sandbox", "--state", str(state)])
    with pytest.raises(SystemExit) as stopped:
        entry.main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert str(state) in said
    assert "--state" in said
