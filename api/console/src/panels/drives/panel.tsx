/** The drive manager: the drive of the target, the images for it, and how they come in. */

import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Empty, Loading } from "../../ui/kit";
import { Drive } from "./drive";
import { Images } from "./images";
import { Fetch, Incoming } from "./incoming";
import "./drives.css";

export default function DrivesPanel() {
  const msd = useSession().appliance.states.msd.value;
  const words = text.value.drives;
  if (msd === null) {
    return <Loading />;
  }
  if (!msd.enabled || !msd.online) {
    return <Empty>{msd.enabled ? words.offline : words.disabled}</Empty>;
  }
  return (
    <>
      <Drive msd={msd} />
      <Images msd={msd} />
      <Incoming msd={msd} />
      <Fetch />
    </>
  );
}
