"""`till bench retrieval`: figures that can be computed by hand, and the same search that chat uses."""

import json
import math
from pathlib import Path

import pytest
from bench.retrieval import judgements, ndcg, recall, run

from tests.parts.ai.shelf import Concepts
from tillhouse.kernel.house import House


def test_gain_is_discounted_by_rank_against_the_best_that_could_be() -> None:
    judged = {"a": 2, "b": 1, "c": 0}
    ideal = 2 / math.log2(2) + 1 / math.log2(3)
    assert ndcg(["a", "b"], judged) == 1
    assert ndcg(["x", "b", "a"], judged) == pytest.approx((1 / math.log2(3) + 2 / math.log2(4)) / ideal)
    assert ndcg(["c", "x"], judged) == 0
    assert ndcg(["x"] * 10 + ["a"], judged) == 0
    assert recall(["x", "b"], judged) == 0.5
    assert recall([], {}) == ndcg([], {}) == 0


CORPUS = {
    "d1": ("Refunds", "Money is given back within seven days."),
    "d2": ("Parcels", "A parcel that is lost is sent again."),
    "d3": ("Cars", "The automobile stands in the garage."),
    "d4": ("Money", "Refunds of money need a receipt, and money takes days."),
}
QUERIES = {"q1": "lost parcel", "q2": "car repair", "q3": "garage automobile", "q4": "nobody judged this"}
QRELS = "query-id\tcorpus-id\tscore\nq1\td2\t1\nq2\td3\t1\nq3\td3\t2\nq3\td1\t1\nq4\td1\t0\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "qrels").mkdir()
    documents = [json.dumps({"_id": key, "title": one, "text": two}) for key, (one, two) in CORPUS.items()]
    (tmp_path / "corpus.jsonl").write_text("\n".join(documents))
    questions = [json.dumps({"_id": key, "text": one}) for key, one in QUERIES.items()]
    (tmp_path / "queries.jsonl").write_text("\n".join(questions))
    (tmp_path / "qrels" / "test.tsv").write_text(QRELS)
    return tmp_path


async def test_each_way_of_searching_is_measured_on_a_folder_in_beirs_format(house: House, folder: Path) -> None:
    assert set(judgements(folder / "qrels" / "test.tsv")) == {"q1", "q2", "q3"}
    house.provide([Concepts([frozenset({"car", "cars", "automobile"}), frozenset({"parcel", "parcels"})]).installed()])
    found = await run(house, folder, None)
    assert (found["documents"], found["questions"]) == (4, 3)
    scores = {score["way"]: score for score in found["scores"]}  # type: ignore[attr-defined]  # a list of dicts
    # By words: q1 finds d2 (1), q2 finds d3 by the stem of its title (1), q3 finds d3 but not d1.
    third = 2 / (2 + 1 / math.log2(3))
    assert scores["lexical"]["ndcg_at_10"] == pytest.approx((1 + 1 + third) / 3)
    assert scores["lexical"]["recall_at_10"] == pytest.approx((1 + 1 + 0.5) / 3)
    # By meaning every document is near to some degree: all are among ten, so that nothing is missed.
    assert scores["vector"]["recall_at_10"] == 1
    assert scores["fused"]["recall_at_10"] == 1
    assert scores["fused"]["ndcg_at_10"] >= scores["lexical"]["ndcg_at_10"]
