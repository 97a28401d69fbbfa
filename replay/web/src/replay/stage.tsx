// Stage of a replay: the picture of the moment, or the reason for another or none.

import type { ComponentChildren } from 'preact';
import { useEmitter } from '../base/emitter';
import { clock } from '../base/format';
import type { RecordedDriver } from '../driver/recorded';
import type { Player } from '../media/player';
import { Stage } from '../parts/stage';

export function ReplayStage({
  driver,
  player,
  atNs,
  children,
}: {
  driver: RecordedDriver;
  player: Player;
  atNs: () => bigint;
  children?: ComponentChildren;
}) {
  useEmitter(driver);
  useEmitter(player);
  const gap = driver.screenGap();
  const { seekingNs, trouble } = driver;
  const time = (ns: bigint) => clock(ns - driver.beginNs);
  const isReady = driver.summary !== undefined;
  let text = `The participant’s screen at ${time(driver.seenNs())}`;
  let covered: ComponentChildren;
  if (!isReady) {
    text = trouble ? 'No picture' : 'The session is being opened';
    covered = trouble ? <None text={trouble} /> : <h2>Opening</h2>;
  } else if (gap) {
    text = `No picture: ${gap.text}`;
    covered = <None text={gap.text} />;
  } else if (driver.undecodable) {
    text = 'No picture: this browser cannot decode it';
    covered = <None text={driver.undecodable} />;
  } else if (driver.timeline && !driver.pictures.length) {
    text = 'No picture: the screen was not recorded';
    covered = <None text="The screen was not recorded in this session. Input, sound and tags are available if recorded." />;
  } else if (driver.pictureMissing) {
    text = 'No picture: this part of the recording cannot be read';
    covered = <None text="This part of the recording is damaged: its pictures cannot be read. Continue at a later moment." />;
  } else if (seekingNs !== undefined) {
    text = driver.seenNs() > 0n ? `The participant’s screen at ${time(driver.seenNs())}, seeking to ${time(seekingNs)}` : `Seeking to ${time(seekingNs)}`;
  }
  return (
    <Stage
      player={player}
      atNs={atNs}
      text={text}
      covered={covered}
      veil={seekingNs === undefined ? '' : `seeking to ${time(seekingNs)}`}
    >
      {children}
    </Stage>
  );
}

/** Replaces the picture. */
function None({ text }: { text: string }) {
  return (
    <>
      <h2>No picture</h2>
      <p>{text}</p>
    </>
  );
}
