"""`phalanx batches` where it needs no scheduler."""

from click.testing import CliRunner

from phalanx.cli._main import root


def test_a_script_for_sbatch_is_printed_and_bad_names_are_refused():
    told = CliRunner().invoke(root, ["batches", "script", "s-1", "--qpu", "heron", "--env", "A=b c", "--", "run", "it"])
    assert told.exit_code == 0, told.output
    assert "#SBATCH --qpu=heron" in told.output
    assert "export A='b c'\nexec run it" in told.output
    assert CliRunner().invoke(root, ["batches", "script", "Not A Name", "--", "run"]).exit_code != 0
