import json

import ablations

from conftest import TINY_MODEL, write_toy_training_data


def test_variants_are_trained_once_evaluated_and_tabulated(tmp_path, tiny_model, capsys):
    write_toy_training_data(tmp_path, tiny_model)
    (tmp_path / "suite.jsonl").write_text(json.dumps({"prompt": "def f(x):\n    return"}) + "\n")
    paths = {
        "model": TINY_MODEL,
        "suite": tmp_path / "suite.jsonl",
        "cache": tmp_path / "cache",
        "out": tmp_path / "out",
    }
    shape = ["--rows", "1", "--length", "64", "--draft-vocabulary", "96", "--threads", "1", "--device", "cpu"]
    arguments = [
        *(part for name, path in paths.items() for part in (f"--{name}", str(path))),
        *("--variants", "jakiro", "autoregressive", "eagle", "--nodes", "4", "16", "--"),
        *("--features", str(tmp_path / "features"), "--corpus", str(tmp_path / "corpus"), "--steps", "2", *shape),
    ]
    ablations.main(arguments)
    lines = capsys.readouterr().out.strip().splitlines()[-5:]
    heads = [line.split(" | ")[0].removeprefix("| ") for line in lines]
    assert heads == ["head", "|---|---|---:|---:|---:|---:|---:|", "jakiro", "autoregressive", "eagle"]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [row[-1] for row in rows] == ["2", "3", "3"], "the parallel level saves a forward"
    assert rows[0][3].endswith("%") and rows[2][3] == ""
    trained = (tmp_path / "out" / "jakiro" / "latest.pt").stat().st_mtime_ns
    assert not (tmp_path / "out" / "autoregressive").exists()
    ablations.main(arguments)
    assert (tmp_path / "out" / "jakiro" / "latest.pt").stat().st_mtime_ns == trained
    assert capsys.readouterr().out.strip().splitlines()[-5:] == lines
    results = tmp_path / "out" / "eagle.json"
    partly = json.loads(results.read_text())
    del partly["byNodes"]["16"]
    results.write_text(json.dumps(partly))
    ablations.main(arguments)
    assert capsys.readouterr().out.strip().splitlines()[-5:] == lines, "an evaluation that was cut is finished"
