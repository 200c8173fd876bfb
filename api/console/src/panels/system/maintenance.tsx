/** Updates, backup and factory reset; for administrators (docs/updates.md). */

import { Backup } from "./maintenance/backup";
import { FactoryReset } from "./maintenance/reset";
import { Restore } from "./maintenance/restore";
import { Updates } from "./maintenance/updates";

export default function MaintenancePage() {
  return (
    <>
      <Updates />
      <Backup />
      <Restore />
      <FactoryReset />
    </>
  );
}
