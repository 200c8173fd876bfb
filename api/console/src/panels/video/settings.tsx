/** The streamer's parameters, as far as the appliance says that it has them (contract http.md 4.5). */

import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Button, Choice, Row, Section, Slider } from "../../ui/kit";

export function Settings() {
  const session = useSession();
  const words = text.value.video;
  const streamer = session.appliance.states.streamer.value;
  if (streamer === null) {
    return null;
  }
  const { features, limits, params } = streamer;
  const set = (query: Record<string, string | number>): void => {
    void session.act(words.settings, "api/streamer/set_params", query);
  };
  const reset = async (): Promise<void> => {
    const question = { title: words.confirmReset, text: words.confirmResetText, action: words.reset };
    if (await session.confirm(question)) {
      await session.act(words.reset, "api/streamer/reset", {});
    }
  };
  return (
    <Section title={words.settings} id="streamer-settings">
      <p class="empty">{words.settingsHint}</p>
      <Slider
        id="param-fps"
        label={words.fps}
        value={params.desired_fps}
        {...limits.desired_fps}
        format={words.fpsValue}
        onChange={(desired_fps) => set({ desired_fps })}
      />
      {features.quality && params.quality !== undefined && (
        <Slider
          id="param-quality"
          label={words.quality}
          value={params.quality}
          min={1}
          max={100}
          format={words.percent}
          onChange={(quality) => set({ quality })}
        />
      )}
      {features.resolution && params.resolution !== undefined && (
        <Choice
          id="param-resolution"
          label={words.resolution}
          value={params.resolution}
          options={(limits.available_resolutions ?? []).map((name) => [name, name.replace("x", "×")])}
          onChange={(resolution) => set({ resolution })}
        />
      )}
      {features.h264 && params.h264_bitrate !== undefined && limits.h264_bitrate !== undefined && (
        <Slider
          id="param-bitrate"
          label={words.bitrate}
          value={params.h264_bitrate}
          {...limits.h264_bitrate}
          step={25}
          format={words.kbps}
          onChange={(h264_bitrate) => set({ h264_bitrate })}
        />
      )}
      {features.h264 && params.h264_gop !== undefined && limits.h264_gop !== undefined && (
        <Slider
          id="param-gop"
          label={words.gop}
          value={params.h264_gop}
          {...limits.h264_gop}
          format={words.gopValue}
          onChange={(h264_gop) => set({ h264_gop })}
        />
      )}
      <Row>
        <Button id="streamer-reset" danger onPress={() => void reset()}>
          {words.reset}
        </Button>
      </Row>
    </Section>
  );
}
