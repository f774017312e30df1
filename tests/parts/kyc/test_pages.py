"""The pages: a person hands papers in from a phone, reviewers look and decide, each look is written down."""

import re

from sqlalchemy import text

from tests.parts.kyc.browsing import browser_of
from tests.parts.kyc.desk import DETAILS, Desk, photo
from tillhouse.kernel.work import run_due


async def actions(desk: Desk) -> list[str]:
    async with desk.house.database.reading() as session:
        found = await session.execute(text("SELECT action FROM identity.audit WHERE action LIKE 'kyc.%' ORDER BY id"))
        return [row[0] for row in found]


async def test_a_person_and_a_reviewer_go_through_a_case_page_by_page(desk: Desk) -> None:
    await desk.resident()
    await desk.resident("r@example.com", role="staff")
    asha = await browser_of(desk, "asha@example.com")
    assert "/kyc/basic" in await asha.page("/kyc")
    assert "Needed" in await asha.page("/kyc/basic")
    refused = await asha.send("/kyc/basic/papers", "/kyc/basic", b"no picture", kind="id_front")
    assert "toasts" in refused.headers["set-cookie"]
    assert "Received" not in await asha.page("/kyc/basic")
    assert (await asha.send("/kyc/basic/papers", "/kyc/basic", photo(), kind="id_front")).status_code == 303
    assert "Received" in await asha.page("/kyc/basic")
    typed = {key: str(value) for key, value in DETAILS.items()}
    wrong = await asha.send("/kyc/basic/submit", "/kyc/basic", **{**typed, "id_number": "ABCPR1234"})
    assert (wrong.status_code, "five letters" in wrong.text, "Asha Rao" in wrong.text) == (422, True, True)
    assert (await asha.send("/kyc/basic/submit", "/kyc/basic", **typed)).status_code == 303
    await run_due(desk.house)
    waiting = await asha.page("/kyc/basic")
    assert ("Take it back" in waiting, 'type="file"' in waiting) == (True, False)

    reviewer = await browser_of(desk, "r@example.com", 2)
    queue = await reviewer.page("/console/kyc/")
    found = re.search(r'href="(/console/kyc/cases/[0-9a-f-]+)"', queue)
    assert found
    case = found[1]
    seen = await reviewer.page(case)
    assert "ABCPR1234D" in seen
    picture = re.search(r'src="(/console/kyc/cases/[^"]+\.jpg)"', seen)
    assert picture
    shown = await reviewer.client.get(picture[1])
    assert (shown.headers["content-type"], shown.content[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    assert "no-store" in shown.headers["cache-control"]
    assert "sandbox" in shown.headers["content-security-policy"]
    await reviewer.send(f"{case}/take", case)
    unsaid = await reviewer.send(f"{case}/decide", case, decision="reject")
    assert (unsaid.status_code, "at least one reason" in unsaid.text) == (422, True)
    assert (await reviewer.send(f"{case}/decide", case, decision="reject", reasons=["blurred"])).status_code == 303
    assert "Nothing waits" in await reviewer.page("/console/kyc/")
    again = await asha.page("/kyc/basic")
    assert ("A picture is blurred" in again, 'value="Asha Rao"' in again, "ABCPR1234D" in again) == (True, True, False)
    written = await actions(desk)
    assert written.count("kyc.look_at_paper") == 1
    assert {"kyc.look_at_case", "kyc.take", "kyc.rejected"} <= set(written)

    assert (await asha.send("/kyc/basic/submit", "/kyc/basic", **typed)).status_code == 303
    await run_due(desk.house)
    assert (await reviewer.send(f"{case}/decide", case, decision="approve")).status_code == 303
    assert "Approved" in await asha.page("/kyc/basic")
    taken = await reviewer.send(f"{case}/decide", case, decision="take_back", reasons=["not_eligible"])
    assert taken.status_code == 303
    assert "We cannot accept this" in await asha.page("/kyc/basic")


async def test_only_staff_with_a_second_factor_look_at_papers_and_others_leave_no_trace(desk: Desk) -> None:
    asha = await desk.resident()
    await desk.resident("r@example.com", role="staff")
    case_id = await desk.hand_in(asha)
    person = await browser_of(desk, "asha@example.com")
    staff = await browser_of(desk, "r@example.com", 1)
    for path in (
        "/console/kyc/",
        f"/console/kyc/cases/{case_id}",
        f"/console/kyc/cases/{case_id}/papers/{case_id}/1.jpg",
    ):
        assert (await person.client.get(path)).status_code == 403, path
        assert (await staff.client.get(path)).status_code in (303, 403), path
    assert await actions(desk) == []
    assert (
        await person.client.post(f"/console/kyc/cases/{case_id}/decide", data={"decision": "approve"})
    ).status_code == 403
    assert (await desk.newest(asha)).state == "in_review"


async def test_organisations_are_made_joined_and_left_page_by_page(desk: Desk) -> None:
    await desk.resident()
    await desk.resident("ravi@example.com")
    asha, ravi = await browser_of(desk, "asha@example.com"), await browser_of(desk, "ravi@example.com")
    root = "/account/organisations"
    page = await asha.page(root)
    assert "You belong to none yet" in page
    assert '<option value="IN" selected>India</option>' in page
    for way in ("/account", "/kyc", root):  # one menu leads to all that is kept for a person
        assert f'class="tab" href="{way}"' in page
    await asha.page("/kyc/no-such-level", 404)
    wrong = await asha.send(root, root, name="see evil.com", country="IN")
    assert (wrong.status_code, "holds no web" in wrong.text) == (422, True)
    made = await asha.send(root, root, name="Rao & Sons", country="in")
    home = made.headers["location"]
    assert "rao-sons</bdi> · India" in await asha.page(home)
    assert (await asha.send(f"{home}/invitations", home, email="ravi@example.com", role="member")).status_code == 303
    assert "ravi@example.com" in await asha.page(home)
    link = re.search(r"http://testserver(/account/invitations/\S+)", (await desk.messages_to("ravi@example.com"))[0])
    assert link
    assert "invites you" in await ravi.page(root)
    path = link[1].partition("?")[0]
    assert "Rao &amp; Sons" in await ravi.page(link[1])
    joined = await ravi.send(f"{path}/accept", link[1], code=link[1].partition("code=")[2])
    assert joined.headers["location"] == home
    seen = await ravi.page(home)
    assert ("Invite someone" in seen, "Close the organisation" in seen) == (False, False)
    member = re.search(rf"{home}/members/([0-9a-f-]+)/remove", seen)
    assert member
    await asha.send(f"{home}/members/{member[1]}/role", home, role="accountant")
    assert "Accountant" in await ravi.page(home)
    await asha.send(f"{home}/name", home, name="Rao & Daughters")
    assert (await ravi.send(f"{home}/members/{member[1]}/remove", home)).headers["location"] == root
    await ravi.page(home, 404)
    assert (await asha.send(f"{home}/close", home)).headers["location"] == root
    await asha.page(home, 404)
