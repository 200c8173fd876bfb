/** How the appliance itself is: temperature, processor, memory, fan, power supply. */

import { text } from "../../text";
import { bytes } from "../../text/units";
import { useSession } from "../../ui/context";
import { Loading, Section } from "../../ui/kit";
import { Chart } from "./chart";
import { summary } from "./history";
import { makeHealthWatch } from "./watch";

export default function HealthPage() {
  const session = useSession();
  const watch = session.part(makeHealthWatch);
  const words = text.value.system;
  const { decimal } = text.value.drives;
  const info = session.appliance.states.info.value;
  const health = info?.health;
  if (health === undefined) {
    return <Loading />;
  }
  const { history } = watch;
  const version = watch.points.value;
  const inWords = (name: string, values: readonly (number | null)[], unit: string): string => {
    const told = summary(values);
    return told === null
      ? words.unknownValue(name)
      : words.range(name, told.least.toFixed(0), told.mean.toFixed(0), told.most.toFixed(0), unit);
  };
  const { total, available } = health.mem;
  const flags = health.throttling?.parsed_flags;
  const fan = info?.fan?.state ?? null;
  return (
    <>
      <Section title={words.cpu}>
        <p>{health.cpu.percent === null ? words.unknownValue(words.cpu) : `${health.cpu.percent} %`}</p>
        <Chart
          id="chart-cpu"
          words={inWords(words.cpu, history.cpu, "%")}
          times={history.times}
          values={history.cpu}
          version={version}
          max={100}
        />
      </Section>
      <Section title={words.memory}>
        <p>
          {total === null || available === null
            ? words.unknownValue(words.memory)
            : words.used(bytes(total - available, decimal), bytes(total, decimal))}
        </p>
        <Chart
          id="chart-memory"
          words={inWords(words.memory, history.memory, "%")}
          times={history.times}
          values={history.memory}
          version={version}
          max={100}
        />
      </Section>
      <Section title={words.temperature}>
        {health.temp.cpu === null ? (
          <p>{words.unknownValue(words.temperature)}</p>
        ) : (
          <>
            <p>{words.celsius(health.temp.cpu)}</p>
            <Chart
              id="chart-temperature"
              words={inWords(words.temperature, history.temperature, "°C")}
              times={history.times}
              values={history.temperature}
              version={version}
              max={null}
            />
          </>
        )}
        {fan !== null && (
          <p>
            {words.fan(fan.fan.speed)} {fan.fan.ok ? "" : words.fanFailed}
          </p>
        )}
      </Section>
      {flags !== undefined && (
        <Section title={words.supply}>
          {(["undervoltage", "freq_capped", "throttled"] as const).map((name) => (
            <p key={name} class={flags[name].now ? "complaint" : ""}>
              {words.flag[name]}:{" "}
              {flags[name].now ? words.flagNow : flags[name].past ? words.flagPast : words.flagNever}
            </p>
          ))}
        </Section>
      )}
    </>
  );
}
