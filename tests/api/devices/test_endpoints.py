"""`/me/sessions`: a user sees their devices and signs out of them."""

from collections.abc import Callable

import httpx

from tests.factories.phone import Phone


class TestDevices:
    async def test_list(self, phone: Phone, new_phone: Callable[[], Phone], api: httpx.AsyncClient) -> None:
        """One's own devices only; the one that asks is marked."""
        other, stranger = new_phone(), new_phone()
        for device, person in ((phone, "visitor"), (other, "visitor"), (stranger, "stranger")):
            await device.sign_in(person)
        listed = (await api.get("/me/sessions", headers=phone.headers)).json()
        assert len(listed) == 2
        assert [device["current"] for device in listed].count(True) == 1
        assert {device["provider"] for device in listed} == {"google"}
        assert all("refresh" not in name for device in listed for name in device)

    async def test_sign_out(self, phone: Phone, new_phone: Callable[[], Phone], api: httpx.AsyncClient) -> None:
        """The lost phone is out at once, the one at hand stays; a stranger's device cannot be signed out."""
        other, stranger = new_phone(), new_phone()
        for device, person in ((phone, "visitor"), (other, "visitor"), (stranger, "stranger")):
            await device.sign_in(person)
        theirs = (await api.get("/me/sessions", headers=stranger.headers)).json()[0]["id"]
        lost = next(
            device["id"]
            for device in (await api.get("/me/sessions", headers=phone.headers)).json()
            if not device["current"]
        )
        for session_id, status in ((lost, 204), (lost, 404), (theirs, 404), ("nonsense", 404)):
            answer = await api.delete(f"/me/sessions/{session_id}", headers=phone.headers)
            assert answer.status_code == status, session_id
        assert (await api.get("/me/sessions", headers=other.headers)).status_code == 401
        assert (await other.refresh()).status_code == 400
        assert (await phone.refresh()).status_code == 200
        assert (await stranger.refresh()).status_code == 200

    async def test_sign_out_everywhere(self, phone: Phone, api: httpx.AsyncClient) -> None:
        """All of them, this one included."""
        await phone.sign_in()
        assert (await api.delete("/me/sessions", headers=phone.headers)).json() == {"signed_out": 1}
        assert (await phone.refresh()).status_code == 400

    async def test_nobody(self, api: httpx.AsyncClient) -> None:
        """Without a token there is nothing to see."""
        assert (await api.get("/me/sessions")).status_code == 401
        assert (await api.delete("/me/sessions")).status_code == 401
