from convscope.engine.run_warnings import RunWarnings


def test_a_warning_is_printed_once_and_kept(capsys):
    warnings = RunWarnings()
    warnings.add("the disk is full")
    warnings.add("the disk is full")
    warnings.add("the cache is slow", printed=True)
    assert warnings.texts == ["the disk is full", "the cache is slow"]
    printed = capsys.readouterr().out
    assert printed.count("the disk is full") == 1
    assert "the cache is slow" not in printed
