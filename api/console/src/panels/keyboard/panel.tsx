import { Loading } from "../../ui/kit";

export default function Panel() {
  return <Loading />;
}
